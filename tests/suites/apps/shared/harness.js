'use strict';
// What the Node applications share: settings from the environment, one line per check, phases with their times.

const assert = require('node:assert');
const { exec } = require('node:child_process');
const { promisify } = require('node:util');

const env = (name, otherwise) => process.env[name] || otherwise;
const settings = {
  host: env('PM_HOST', '127.0.0.1'),
  port: Number(env('PM_RW', '3306')),
  user: env('PM_USER', 'app'),
  password: env('PM_PASSWORD', 'app'),
  database: env('PM_DATABASE', 'sbtest'),
};
const ROUNDS = Number(env('PM_ROUNDS', '60'));
const WORKERS = 4;
// Else only what a session wrote itself is sure to be in its reads.
const STRONG = env('PM_CONSISTENCY', 'session') === 'strong';
const CUSTOMERS = 50;
const STATUSES = ['new', 'paid', 'sent'];
const COUNTS = { new: 150, paid: 200, sent: 150 };
const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// What order j (1 … 10) of customer i (1 … 50) costs.
const totalOf = (i, j) => i * 10 + j + 0.5;

// Ten [customer's name, total] of the paid orders, dearest first.
function paidPage(page) {
  return Array.from({ length: 10 }, (_, n) => {
    const place = page * 10 + n;
    const i = 50 - Math.floor(place / 4);
    return [`Customer ${i}`, totalOf(i, [10, 7, 4, 1][place % 4])];
  });
}

function equal(what, want, got) {
  try {
    assert.deepStrictEqual(got, want);
  } catch {
    throw new Error(`${what}: expected ${JSON.stringify(want)}, got ${JSON.stringify(got)}`);
  }
}

// The call must fail, and `holds` must be true of its error.
async function fails(what, holds, call) {
  let result;
  try {
    result = await call();
  } catch (error) {
    if (!holds(error)) throw error;
    return;
  }
  throw new Error(`${what}: expected an error, got ${JSON.stringify(result)}`);
}

// Returns when the replicas have all writes and the proxy knows.
const catchUp = () => promisify(exec)(env('PM_CATCH_UP', 'sleep 1.5'));

// Runs work(0) … work(WORKERS - 1) at once.
async function together(work) {
  await Promise.all(Array.from({ length: WORKERS }, (_, n) => work(n)));
  if (!STRONG) await catchUp(); // what follows may be another session
}

async function phase(name, reads, work) {
  await catchUp();
  const began = Date.now() / 1000;
  await sleep(2);
  await work();
  await sleep(2);
  const ended = Date.now() / 1000;
  await sleep(50);
  console.log(`phase ${name} ${began.toFixed(6)} ${ended.toFixed(6)} ${reads}`);
}

// Runs [name, function] pairs in their order, then `close`, and sets the exit status.
async function run(app, checks, close) {
  for (const [name, check] of checks) {
    const began = Date.now();
    try {
      await check();
      console.log(`ok ${app} ${name} ${Date.now() - began}ms`);
    } catch (error) {
      process.exitCode = 1;
      if (process.env.PM_VERBOSE) console.error(error);
      console.log(`FAIL ${app} ${name} ${String(error).replace(/\s+/g, ' ').slice(0, 400)}`);
    }
  }
  await close();
}

module.exports = { settings, ROUNDS, WORKERS, STRONG, CUSTOMERS, STATUSES, COUNTS, totalOf, paidPage, equal, fails, together, phase, run };
