'use strict';
// Node's mysql2 and mariadb: `probe.js DRIVER`. README.md of the folder above has the protocol.

const fs = require('fs');
const path = require('path');
const readline = require('readline');

const name = process.argv[2];
const driver = require(name === 'mysql2' ? 'mysql2/promise' : 'mariadb');

function version() {
  const folder = process.env.NODE_PATH.split(path.delimiter)[0];
  return JSON.parse(fs.readFileSync(path.join(folder, name, 'package.json'), 'utf8')).version;
}

function channel(tls, ca) {
  if (tls === 'none') return {};
  if (tls === 'required') return { ssl: { rejectUnauthorized: false } };
  return { ssl: { ca: fs.readFileSync(ca), ...(name === 'mysql2' ? { verifyIdentity: true } : {}) } };
}

async function login([host, port, user, password, tls, ca, row, value]) {
  const allowed = name === 'mariadb' ? { allowPublicKeyRetrieval: true } : {};
  const connection = await driver.createConnection({
    host, port: Number(port), user, password, database: 'test', connectTimeout: 10000, ...allowed, ...channel(tls, ca),
  });
  // Errors behind the login come as events, too.
  connection.on('error', () => {});
  try {
    const rows = async (sql) => {
      const answer = await connection.query({ sql, rowsAsArray: true });
      return name === 'mysql2' ? answer[0] : answer;
    };
    const who = (await rows('SELECT CURRENT_USER()'))[0][0];
    await connection.query(`REPLACE INTO logins VALUES ('${row}', '${value}')`);
    return [who, (await rows(`SELECT value FROM logins WHERE id = '${row}'`))[0][0]];
  } finally {
    await connection.end().catch(() => {});
  }
}

// mysql2 gives errors of TLS the number of MySQL's client library only in part: then the name of the error counts.
const code = (error) => (error.errno > 0 ? error.errno : error.code || error.constructor.name);

async function main() {
  console.log(version());
  for await (const line of readline.createInterface({ input: process.stdin })) {
    let answer;
    try {
      answer = ['ok', ...(await login(line.split('\t')))];
    } catch (error) {
      answer = ['error', code(error), String(error.message).replace(/\s+/g, ' ')];
    }
    console.log(answer.join('\t'));
  }
}

main();
