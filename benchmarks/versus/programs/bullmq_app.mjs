// A BullMQ job for each message; a queue for each key when a limit binds, since its limiter counts by queue.
//
//   node bullmq_app.mjs produce MESSAGES_A_KEY MESSAGES_A_SECOND
//   node bullmq_app.mjs work
import { Queue, Worker } from "bullmq";
import { Pool } from "undici";
import Redis from "ioredis";

const env = process.env;
const perMinute = Number(env.VERSUS_PER_MINUTE ?? 0);
const keys = Array.from({ length: Number(env.VERSUS_KEYS ?? 1) }, (_, n) => `k${String(n).padStart(5, "0")}`);
const lockMs = Math.min(30000, Number(env.VERSUS_REDELIVERY_S ?? 30) * 1000);
const connect = () => new Redis(env.VERSUS_REDIS, { maxRetriesPerRequest: null });
const queueOf = (key) => (perMinute ? `send-${key}` : "send");
const body = (text) => JSON.stringify({ from_number: "+15550100001", to_number: "+15550100002", text });
const kept = { removeOnComplete: true, removeOnFail: true, attempts: 5 };

async function produce(perKey, perSecond) {
  const connection = connect();
  const queues = new Map();
  const queue = (key) => {
    const name = queueOf(key);
    if (!queues.has(name)) queues.set(name, new Queue(name, { connection }));
    return queues.get(name);
  };
  const began = Date.now();
  let number = 0;
  let chunk = [];
  let target = null;
  const flush = async () => {
    if (chunk.length) await target.addBulk(chunk);
    chunk = [];
  };
  for (let row = 0; row < perKey; row++) {
    for (const key of keys) {
      if (perSecond) {
        const wait = began + (number / perSecond) * 1000 - Date.now();
        if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait));
      }
      number++;
      if (target !== queue(key) || chunk.length >= 1000) await flush();
      target = queue(key);
      chunk.push({ name: "send", data: { key, text: `message ${row} of ${key}` }, opts: kept });
      if (perSecond) await flush();
    }
  }
  await flush();
  process.exit(0);
}

function work() {
  const pool = new Pool(env.VERSUS_PROVIDER, { connections: 200 });
  const send = async ({ data }) => {
    const headers = { "X-User-API-Key": data.key, "Content-Type": "application/json" };
    const answer = await pool.request({ path: "/open/whatsapp/send-message", method: "POST", headers, body: body(data.text) });
    await answer.body.dump();
    if (answer.statusCode !== 202) throw new Error(`answer ${answer.statusCode}`);
  };
  const options = { lockDuration: lockMs, stalledInterval: lockMs, maxStalledCount: 25 };
  const shared = connect();
  for (const name of new Set(keys.map(queueOf))) {
    const limiter = perMinute ? { max: perMinute, duration: 60000 } : undefined;
    new Worker(name, send, { connection: shared, concurrency: perMinute ? 10 : 200, limiter, ...options });
  }
  console.log("ready");
}

if (process.argv[2] === "produce") await produce(Number(process.argv[3]), Number(process.argv[4]));
else work();
