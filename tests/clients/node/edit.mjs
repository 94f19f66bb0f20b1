// One image edit with the OpenAI Node SDK: a job as JSON on standard input, what came of it as
// JSON on standard output. A picture is {how, path, name, type}; see `upload` for `how`.
import fs from 'node:fs';
import { text } from 'node:stream/consumers';
import OpenAI, { AzureOpenAI, toFile } from 'openai';

const upload = async ({ how, path, name, type }) => {
  if (how === 'createReadStream') return fs.createReadStream(path);
  const bytes = fs.readFileSync(path);
  if (how === 'toFile') return toFile(bytes, name, type ? { type } : undefined);
  if (how === 'Blob') return new Blob([bytes], { type });
  return new File([bytes], name, { type });
};

const client = ({ baseURL, azure }) =>
  azure
    ? new AzureOpenAI({ endpoint: azure, apiKey: 'unused', apiVersion: '2025-04-01-preview' })
    : new OpenAI({ baseURL, apiKey: 'unused' });

const edit = async (job) => {
  if (job.body) return client(job).post('/images/edits', { body: job.body });
  const images = await Promise.all(job.images.map(upload));
  const params = { ...job.params, image: job.list ? images : images[0] };
  if (job.mask) params.mask = await upload(job.mask);
  const answer = await client(job).images.edit(params);
  if (!job.params.stream) return answer;
  const events = [];
  for await (const event of answer) events.push(event);
  return events;
};

const run = async () => {
  try {
    return { answer: await edit(JSON.parse(await text(process.stdin))) };
  } catch (error) {
    const { name, status, code, param, type, message, requestID } = error;
    return { error: { kind: error.constructor.name, name, status, code, param, type, message, requestID } };
  }
};

process.stdout.write(JSON.stringify(await run()));
