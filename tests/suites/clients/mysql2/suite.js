'use strict';
// Checks with a reason, and one line per feature: the twin of pylib/suite.py.

const fs = require('fs');
const path = require('path');
const zlib = require('zlib');
const util = require('util');

const env = process.env;
const settings = {
  host: env.PM_HOST || '127.0.0.1', port: Number(env.PM_PORT || 3306), user: env.PM_USER || 'app', password: env.PM_PASSWORD || 'app',
  database: env.PM_DATABASE || 'test', flavor: env.PM_FLAVOR || 'mariadb', loadFile: env.PM_LOAD_FILE || '',
  tls: env.PM_TLS === '1', shared: env.PM_SHARED || path.join(__dirname, '..', 'shared'),
};
const limitMs = 1000 * Number(env.PM_FEATURE_SECONDS || 120);
const MIB = 1024 * 1024;
// As in pylib/suite.py: statements and rows around the border of one packet.
const EDGE_TEXT = [0xffffff - 2, 0xffffff - 1, 0xffffff];
const EDGE_ROW = [0xffffff - 5, 0xffffff - 4, 0xffffff - 3, 0x1000000];

class Mismatch extends Error {}
class Skip extends Error {}

function short(value) {
  if (Buffer.isBuffer(value)) return `${value.length} bytes ${value.subarray(0, 60).toString('hex')}…`;
  const text = util.inspect(value, { breakLength: Infinity, maxStringLength: 160, depth: 4 });
  return text.length > 300 ? `${text.slice(0, 300)}…` : text;
}

function eq(what, want, got) {
  if (!util.isDeepStrictEqual(want, got)) throw new Mismatch(`${what}: expected ${short(want)}, got ${short(got)}`);
}

function ok(what, holds, got) {
  if (!holds) throw new Mismatch(`${what}: does not hold, got ${short(got)}`);
}

async function fails(what, codes, call) {
  codes = [].concat(codes);
  let result;
  try {
    result = await call();
  } catch (error) {
    if (codes.includes(error.errno) || codes.includes(error.code)) return error;
    throw new Mismatch(`${what}: expected error ${codes}, got ${error.errno} ${error.code} ${error.message}`);
  }
  throw new Mismatch(`${what}: expected error ${codes}, got the result ${short(result)}`);
}

function sharedSql(name, table) {
  return fs.readFileSync(path.join(settings.shared, name), 'utf8').trim().replaceAll('{t}', table || '');
}

function pattern(size, seed) {
  const block = Buffer.from(Array.from({ length: 4096 }, (_, i) => (i * 7 + seed) & 0xff));
  const out = Buffer.alloc(size);
  for (let at = 0; at < size; at += 4096) block.copy(out, at);
  for (let at = 0; at < size - 8; at += 65536) out.writeBigUInt64BE(BigInt(at), at);
  return out;
}

function letters(size) {
  let head = '';
  for (let n = 0; n < 65536; n++) head += `${String(n).padStart(8, '0')}abcdefgh`;
  return head.repeat(Math.ceil(size / head.length)).slice(0, size);
}

// Feeds on rows of shared/big.sql, `check` at the end.
class Big {
  constructor() { this.count = this.sum = this.crc = 0; }
  row(n, payload) { this.count++; this.sum += n; this.crc += zlib.crc32(`${n}:${payload}`); }
  check() { eq('rows, sum, checksum of the big result', [200000, 19999900000, 429438619651349], [this.count, this.sum, this.crc]); }
}

const features = [];

async function runOne(client, name, call) {
  const began = Date.now();
  let timer;
  const late = new Promise((_, reject) => { timer = setTimeout(() => reject(new Mismatch(`no end after ${limitMs / 1000} s`)), limitMs); });
  try {
    const note = await Promise.race([call(), late]);
    console.log(`ok ${client} ${name} ${Date.now() - began}ms${note ? ` (${note})` : ''}`);
    return true;
  } catch (error) {
    if (error instanceof Skip) {
      console.log(`skip ${client} ${name} ${error.message}`);
      return true;
    }
    const kind = error instanceof Mismatch ? '' : `${error.code || error.name}: `;
    console.log(`FAIL ${client} ${name} ${kind}${String(error.message).split(/\s+/).join(' ').slice(0, 600)} [${Date.now() - began}ms]`);
    if (env.PM_VERBOSE) console.error(error.stack);
    return false;
  } finally {
    clearTimeout(timer);
  }
}

async function runAll(client) {
  const only = (env.PM_FEATURES || '').split(',').filter(Boolean);
  let good = true;
  for (const [name, call] of features) {
    if (!only.length || only.includes(name)) good = (await runOne(client, name, call)) && good;
  }
  process.exit(good ? 0 : 1);
}

module.exports = {
  settings, MIB, EDGE_TEXT, EDGE_ROW, Skip, Big, eq, ok, fails, sharedSql, pattern, letters, runAll,
  feature: (name, call) => features.push([name, call]),
  hasNot: (name, why) => features.push([name, async () => { throw new Skip(why); }]),
};
