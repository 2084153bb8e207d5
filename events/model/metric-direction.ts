// Whether a metric is better when it is higher or when it is lower, as far as its name tells.

export type Better = 'higher' | 'lower';

/** A name with one of these words in it is better when it is lower, whatever else stands there (`brier_score`). */
export const lowerIsBetter: ReadonlySet<string> = new Set([
  'aic',
  'bic',
  'brier',
  'cer',
  'cost',
  'deviation',
  'distance',
  'divergence',
  'drift',
  'duration',
  'ece',
  'eer',
  'entropy',
  'err',
  'error',
  'errors',
  'fdr',
  'fid',
  'fnr',
  'fpr',
  'hamming',
  'hallucination',
  'latency',
  'logloss',
  'loss',
  'mae',
  'mape',
  'mase',
  'mse',
  'msle',
  'nll',
  'perplexity',
  'ppl',
  'rmse',
  'rmsle',
  'smape',
  'ter',
  'time',
  'toxicity',
  'wer',
]);

/** Else, with one of these, when it is higher. */
export const higherIsBetter: ReadonlySet<string> = new Set([
  'acc',
  'accuracy',
  'ap',
  'auc',
  'aucpr',
  'auprc',
  'auroc',
  'bleu',
  'correlation',
  'coverage',
  'dice',
  'f1',
  'fbeta',
  'gini',
  'iou',
  'jaccard',
  'kappa',
  'lift',
  'likelihood',
  'map',
  'mcc',
  'meteor',
  'miou',
  'mrr',
  'ndcg',
  'pearson',
  'precision',
  'psnr',
  'r2',
  'recall',
  'reward',
  'rouge',
  'score',
  'sensitivity',
  'similarity',
  'spearman',
  'specificity',
  'ssim',
  'success',
  'throughput',
  'tnr',
  'tpr',
]);

/** `val_loss`, `valLoss` and `ROC-AUC` are words; `AP50` is also `ap`, as a cut-off changes no direction. */
function wordsOf(name: string): string[] {
  const words = name
    .replaceAll(/([\p{Ll}\p{N}])(\p{Lu})/gu, '$1 $2')
    .toLowerCase()
    .split(/[^\p{L}\p{N}]+/u);
  return words.flatMap((word) => [word, word.replace(/\p{N}+$/u, '')]);
}

/** Null where the name tells nothing. */
export function betterOf(name: string): Better | null {
  const words = wordsOf(name);
  // the convention of scikit-learn: an error with its sign turned
  if (words[0] === 'neg') return 'higher';
  if (words.some((word) => lowerIsBetter.has(word))) return 'lower';
  return words.some((word) => higherIsBetter.has(word)) ? 'higher' : null;
}
