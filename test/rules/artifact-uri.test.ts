// Artifact URIs: what may be recorded, and every trap that is refused.
import { expect, test } from 'vitest';
import { artifactUriFault } from '#services/command-api/artifact-uri.ts';

test.each([
  's3://models/churn/3/model.onnx',
  'gs://bucket/a%20b/c.bin',
  'https://models.example:8443/churn/3',
  'hdfs://name-node/models/3',
  's3://bucket',
  's3://bucket/..model/v1..2/file...onnx',
  'oci://registry.example/models/churn:3',
])('%s may be recorded', (uri) => expect(artifactUriFault(uri)).toBeNull());

test.each([
  ['a local path', '/var/models/3'],
  ['a relative path', 'models/3'],
  ['a Windows path', 'C:\\models\\3'],
  ['a local file', 'file:///etc/passwd'],
  ['a local file in capitals', 'FILE://host/etc/passwd'],
  ['no authority', 's3:///models/3'],
  ['a scheme alone', 'mailto:zoe@example.com'],
  ['steps upwards', 's3://bucket/a/../../other'],
  ['steps upwards at the end', 's3://bucket/..'],
  ['encoded steps upwards', 's3://bucket/a/%2e%2e/other'],
  ['half-encoded steps upwards', 's3://bucket/a/.%2E/other'],
  ['steps upwards behind an encoded slash', 's3://bucket/a%2f..%2fother'],
  ['twice encoded steps upwards', 's3://bucket/%252e%252e/other'],
  ['thrice encoded steps upwards', 's3://bucket/%25252e%25252e%25252fother'],
  ['encoded backslashes', 's3://bucket/a%5c..%5cother'],
  ['something encoded without end', `s3://bucket/%${'25'.repeat(8)}2e`],
  ['a broken encoding', 's3://bucket/%zz'],
  ['a fragment', 's3://bucket/model#part'],
  ['a query', 's3://bucket/model?versionId=1'],
  ['user info', 'https://zoe:secret@models.example/3'],
  ['a space', 's3://bucket/a b'],
  ['a line break', 's3://bucket/a\nb'],
  ['a NUL', 's3://bucket/a\u0000'],
  ['an encoded NUL', 's3://bucket/a%00'],
  ['an encoded line break', 's3://bucket/a%0d%0ab'],
  ['a backslash', 's3://bucket\\model'],
  ['too much', `s3://bucket/${'a'.repeat(2_048)}`],
])('%s is refused', (_, uri) => expect(artifactUriFault(uri)).toBeTypeOf('string'));
