// Names of settings that look like credentials are told from those that only sound so.
import { describe, expect, test } from 'vitest';
import { credentialPaths, looksLikeCredential } from '#services/command-api/credential-keys.ts';

describe('a key that looks like a credential', () => {
  test.each([
    'api_key',
    'apiKey',
    'API_KEY',
    'X-Api-Key',
    'apikey',
    'openai_api_keys',
    'secret',
    'clientSecret',
    'AWS_SECRET_ACCESS_KEY',
    'aws_access_key_id',
    'token',
    'accessToken',
    'hf_token',
    'refresh_tokens',
    'password',
    'db.passwd',
    'passphrase',
    'Authorization',
    'bearer',
    'credentials',
    'private_key',
    'signing-key',
    'connectionString',
    'session_token',
  ])('%s', (key) => expect(looksLikeCredential(key)).toBe(true));
});

describe('a key that only sounds so', () => {
  test.each([
    'max_tokens',
    'maxTokens',
    'max_new_tokens',
    'eos_token',
    'pad_token_id',
    'tokens',
    'tokens_per_second',
    'tokenizer',
    'stop_token',
    'key',
    'key_features',
    'keyboard_layout',
    'monkey',
    'temperature',
    'author',
    'cost_per_1k_tokens',
    'sort_keys',
    'tokens_limit',
    'secretary_model',
  ])('%s', (key) => expect(looksLikeCredential(key)).toBe(false));
});

test('keys are found however deep, each with its path', () =>
  expect(
    credentialPaths({
      temperature: 0.7,
      auth: { headers: [{ name: 'x' }, { Authorization: 'x' }], api_key: 'x' },
      password: { nested_token: 'not named again' },
      text: 'api_key',
      list: ['secret'],
    }),
  ).toEqual([['auth', 'headers', '1', 'Authorization'], ['auth', 'api_key'], ['password']]));
