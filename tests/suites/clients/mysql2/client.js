'use strict';
// Node's mysql2: `query` (text) and `execute` (prepared, with its own statement cache).

const fs = require('fs');
const mysql = require('mysql2/promise');
const { Readable } = require('stream');
const { settings, MIB, EDGE_TEXT, EDGE_ROW, Big, eq, ok, fails, sharedSql, pattern, letters, runAll, feature, hasNot } = require('./suite');

const PRE = 'mysql2_';
const ALL_BYTES = Buffer.from(Array.from({ length: 256 }, (_, i) => i));
const sleepMs = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function connect(more) {
  const connection = await mysql.createConnection({
    host: settings.host, port: settings.port, user: settings.user, password: settings.password, database: settings.database,
    charset: 'utf8mb4', supportBigNumbers: true, bigNumberStrings: false, dateStrings: true, connectTimeout: 15000,
    ...(settings.tls ? { ssl: { rejectUnauthorized: false } } : {}), ...more,
  });
  connection.connection.on('error', () => {});
  return connection;
}

async function rows(connection, sql, args, how = 'query') {
  return (await connection[how]({ sql, values: args, rowsAsArray: true }))[0];
}

async function one(connection, sql, args, how) {
  return (await rows(connection, sql, args, how))[0][0];
}

async function fresh(connection, name, columns) {
  const table = PRE + name;
  await connection.query(`DROP TABLE IF EXISTS ${table}`);
  await connection.query(`CREATE TABLE ${table} (${columns}) CHARACTER SET utf8mb4`);
  return table;
}

async function drop(connection, table) {
  await connection.query(`DROP TABLE ${table}`);
  await connection.end();
}

feature('login', async () => {
  const connection = await connect();
  eq('schema', settings.database, await one(connection, 'SELECT DATABASE()'));
  eq('user', settings.user, (await one(connection, 'SELECT CURRENT_USER()')).split('@')[0]);
  const greeted = connection.connection._handshakePacket.serverVersion;
  ok('MariaDB names itself', greeted.includes('MariaDB') === (settings.flavor === 'mariadb'), greeted);
  await connection.end();
  const bare = await connect({ database: undefined });
  eq('no schema', null, await one(bare, 'SELECT DATABASE()'));
  await bare.end();
  const packed = await connect({ compress: true });
  eq('with compression, if offered', 'z'.repeat(300000), await one(packed, "SELECT REPEAT('z', 300000)"));
  await packed.end();
});

feature('wrong_password', async () => {
  await fails('wrong password', 1045, () => connect({ password: `${settings.password}x` }));
  await fails('empty password', 1045, () => connect({ password: '' }));
  await fails('unknown user', 1045, () => connect({ user: `nobody_${settings.user}` }));
  await fails('unknown schema', [1044, 1049], () => connect({ database: 'no_such_schema' }));
});

const NAMES = 'id ti tu si mi i iu bi bu f d de vc ch tx bl bn dt dtm ts tm yr en st js'.split(' ');
const EXPECTED = [
  [1, 127, 255, 32767, 8388607, 2147483647, 4294967295, '9223372036854775807', '18446744073709551615', 1.5, 1.25e100,
    '12345678901234567890.0123456789', 'héllo €', 'abc', 'long'.repeat(1000), ALL_BYTES, Buffer.from([0, 1, 0xfe, 0xff]), '2024-02-29',
    '2024-12-31 23:59:59.123456', '2024-06-15 12:34:56', '12:34:56.500000', 2024, 'b', 'x,z', { a: [1, null] }],
  [2, -128, 0, -32768, -8388608, -2147483648, 0, '-9223372036854775808', 0, -1.5, -2.5e-10, '-0.0000000001', '', '', '', Buffer.alloc(0),
    Buffer.alloc(4), '1000-01-01', '1000-01-01 00:00:00.000000', '2000-01-01 00:00:00', '-123:04:05.678901', 1901, 'a', '', []],
  [3].concat(Array(24).fill(null)),
];

async function typesTable(connection, name) {
  await connection.query("SET time_zone = '+00:00'");
  await connection.query(`DROP TABLE IF EXISTS ${PRE}${name}`);
  await connection.query(sharedSql('types_create.sql', PRE + name));
  return PRE + name;
}

async function checkTypes(connection, table, got) {
  eq("the server's own verdict", 111, Number(await one(connection, sharedSql('types_check.sql', table))));
  eq('rows', 3, got.length);
  EXPECTED.forEach((want, at) => NAMES.forEach((name, column) => {
    let value = got[at][column];
    if (name === 'js' && typeof value === 'string') value = JSON.parse(value);
    // Times and dates of the binary protocol come without trailing zeros.
    if (typeof value === 'string' && ['dtm', 'ts', 'tm'].includes(name)) {
      eq(`row ${at + 1} column ${name}`, trim(want[column]), trim(value));
    } else {
      eq(`row ${at + 1} column ${name}`, want[column], value);
    }
  }));
}

const trim = (time) => time.replace(/\.?0+$/, (zeros) => (zeros.startsWith('.') ? '' : zeros)).replace(/(\.\d*?)0+$/, '$1');

async function insertValues(connection, table, how) {
  for (const row of EXPECTED) {
    const values = row.map((v, at) => (NAMES[at] === 'js' && v !== null ? JSON.stringify(v) : v));
    await connection[how](`INSERT INTO ${table} VALUES (${values.map(() => '?').join(',')})`, values);
  }
}

feature('text', async () => {
  const connection = await connect();
  const table = await typesTable(connection, 'text');
  eq('inserted', 3, (await connection.query(sharedSql('types_insert.sql', table)))[0].affectedRows);
  await checkTypes(connection, table, await rows(connection, `SELECT * FROM ${table} ORDER BY id`));
  await connection.query(`DELETE FROM ${table}`);
  await insertValues(connection, table, 'query');
  await checkTypes(connection, table, await rows(connection, `SELECT * FROM ${table} ORDER BY id`));
  await drop(connection, table);
});

feature('prepared', async () => {
  const connection = await connect();
  const table = await typesTable(connection, 'prepared');
  await insertValues(connection, table, 'execute');
  await checkTypes(connection, table, await rows(connection, `SELECT * FROM ${table} WHERE id > ? ORDER BY id`, [0], 'execute'));
  for (const [args, want] of [[[127, 'none'], 1], [[7, ''], 2], [[-128, 'x'], 2]]) {
    eq(`again with ${args}`, [[want]], await rows(connection, `SELECT id FROM ${table} WHERE ti = ? OR vc = ?`, args, 'execute'));
  }
  await fails('error in prepare', 1064, () => connection.execute('SELEKT ?', [1]));
  await fails('error in execute', 1062, () => connection.execute(`INSERT INTO ${table} (id) VALUES (?)`, [1]));
  eq('afterwards', 3, await one(connection, `SELECT COUNT(*) FROM ${table}`, [], 'execute'));
  // A changed table makes the server prepare anew.
  await connection.query(`ALTER TABLE ${table} ADD COLUMN extra INT DEFAULT 5`);
  eq('after ALTER TABLE', 26, (await rows(connection, `SELECT * FROM ${table} WHERE id > ? ORDER BY id`, [0], 'execute'))[0].length);
  await drop(connection, table);
});

feature('big_result', async () => {
  const connection = await connect();
  for (const how of ['query', 'execute']) {
    const big = new Big();
    for (const [n, payload] of await rows(connection, sharedSql('big.sql'), [], how)) big.row(Number(n), payload);
    big.check();
  }
  eq('afterwards', 1, await one(connection, 'SELECT 1'));
  await connection.end();
});

feature('big_packet', async () => {
  const connection = await connect();
  const table = await fresh(connection, 'big_packet', 'id INT PRIMARY KEY, b LONGBLOB');
  const blobs = [pattern(20 * MIB, 0), pattern(20 * MIB, 3)];
  await connection.query(`INSERT INTO ${table} VALUES (1, ?)`, [blobs[0]]);
  await connection.execute(`INSERT INTO ${table} VALUES (2, ?)`, [blobs[1]]);
  for (const how of ['query', 'execute']) {
    for (const number of [1, 2]) {
      const [size, back] = (await rows(connection, `SELECT LENGTH(b), b FROM ${table} WHERE id = ?`, [number], how))[0];
      eq('stored length', 20 * MIB, size);
      ok(`20 MiB blob ${number} round trip by ${how}`, blobs[number - 1].equals(back), back);
    }
  }
  const literal = letters(20 * MIB);
  ok('20 MiB literal round trip', (await one(connection, `SELECT '${literal}' AS v`)) === literal);
  const around = "SELECT LENGTH('')".length;
  // Of a payload less than four bytes under the limit the driver expects two packets, and ends its connection.
  for (const size of EDGE_TEXT.slice(1)) {
    eq(`a statement of ${size} bytes`, size - around, await one(connection, `SELECT LENGTH('${letters(size - around)}')`));
  }
  for (const size of EDGE_ROW) {
    const back = await one(connection, `SELECT REPEAT('x', ${size})`);
    ok(`a row with ${size} bytes`, back === 'x'.repeat(size), back);
  }
  await drop(connection, table);
});

feature('errors', async () => {
  const connection = await connect();
  const table = await fresh(connection, 'errors', 'id INT PRIMARY KEY');
  await connection.query(`INSERT INTO ${table} VALUES (1)`);
  for (const how of ['query', 'execute']) {
    for (const [sql, code] of [['SELEKT 1', 1064], [`SELECT * FROM ${table}_none`, 1146], [`INSERT INTO ${table} VALUES (1)`, 1062], [`SELECT nope FROM ${table}`, 1054]]) {
      await fails(`${sql} by ${how}`, code, () => connection[how](sql));
      eq(`after error ${code}`, 1, await one(connection, `SELECT MIN(id) FROM ${table}`));
    }
    await connection.query(`REPLACE INTO ${table} VALUES (2)`);
    await fails(`error among rows by ${how}`, 1242, () => connection[how](
      `SELECT t.id, (SELECT u.id FROM ${table} u WHERE u.id <= t.id) FROM ${table} t ORDER BY t.id`));
    eq('after an error among rows', 2, await one(connection, `SELECT COUNT(*) FROM ${table}`));
  }
  const error = await fails('duplicate', 1062, () => connection.query(`INSERT INTO ${table} VALUES (1)`));
  eq('SQLSTATE', '23000', error.sqlState);
  ok("the server's own message", error.message.includes("Duplicate entry '1'"), error.message);
  await drop(connection, table);
});

feature('transaction', async () => {
  const a = await connect();
  const b = await connect();
  const table = await fresh(b, 'transaction', 'id INT PRIMARY KEY, v INT');
  const count = `SELECT COUNT(*) FROM ${table}`;
  await a.beginTransaction();
  await a.execute(`INSERT INTO ${table} VALUES (?, 1)`, [1]);
  eq('own write', 1, await one(a, count, [], 'execute'));
  eq('others see nothing before COMMIT', 0, await one(b, count));
  await a.commit();
  eq('others see it after COMMIT', 1, await one(b, count, [], 'execute'));
  await a.beginTransaction();
  await a.query(`INSERT INTO ${table} VALUES (2, 2)`);
  await a.rollback();
  eq('after ROLLBACK', 1, await one(a, count));
  await a.query('START TRANSACTION');
  eq('snapshot', 1, await one(a, count));
  await b.query(`INSERT INTO ${table} VALUES (3, 3)`);
  eq('the snapshot stays', 1, await one(a, count, [], 'execute'));
  await a.commit();
  eq('a new snapshot', 2, await one(a, count));
  await a.beginTransaction();
  await a.query(`UPDATE ${table} SET v = 7 WHERE id = 1`);
  await b.query('SET SESSION innodb_lock_wait_timeout = 1');
  await fails('lock wait', 1205, () => b.query(`UPDATE ${table} SET v = 9 WHERE id = 1`));
  a.destroy();
  await sleepMs(200);
  eq('nothing left of a lost transaction', 1, await one(b, `SELECT v FROM ${table} WHERE id = 1`));
  await drop(b, table);
});

feature('multi_statement', async () => {
  const connection = await connect({ multipleStatements: true });
  const table = await fresh(connection, 'multi', 'id INT AUTO_INCREMENT PRIMARY KEY, v INT');
  const got = await rows(connection, `INSERT INTO ${table} (v) VALUES (1),(2); SELECT v FROM ${table} ORDER BY v; UPDATE ${table} SET v = v + 1; SELECT 'end'`);
  eq('four results', [2, [[1], [2]], 2, [['end']]], got.map((r) => (Array.isArray(r) ? r : r.affectedRows)));
  await fails('error in the second statement', 1064, () => connection.query('SELECT 1; SELEKT 2; SELECT 3'));
  eq('afterwards', 2, await one(connection, `SELECT COUNT(*) FROM ${table}`));
  await drop(connection, table);
  const plain = await connect();
  await fails('without the flag', 1064, () => plain.query('SELECT 1; SELECT 2'));
  await plain.end();
});

feature('procedure', async () => {
  const connection = await connect();
  await connection.query(`DROP PROCEDURE IF EXISTS ${PRE}proc`);
  await connection.query(`CREATE PROCEDURE ${PRE}proc(IN n INT) BEGIN SELECT n AS a; SELECT n + 1 AS b, 'x' AS c; END`);
  for (const how of ['query', 'execute']) {
    const got = await rows(connection, `CALL ${PRE}proc(?)`, [20], how);
    eq(`two result sets by ${how}`, [[[20]], [[21, 'x']]], got.slice(0, 2));
    eq(`a status by ${how}`, [3, 0], [got.length, got[2].affectedRows]);
  }
  await connection.query(`DROP PROCEDURE ${PRE}proc`);
  await connection.end();
});

feature('load_data', async () => {
  const connection = await connect();
  const table = await fresh(connection, 'load', 'id INT PRIMARY KEY, name VARCHAR(40), v INT');
  const load = (stream, to = table) => connection.query({
    sql: `LOAD DATA LOCAL INFILE 'given' INTO TABLE ${to}`, infileStreamFactory: () => stream });
  const [done] = await load(fs.createReadStream(settings.loadFile));
  eq('affected', 10000, done.affectedRows);
  ok('info', done.info.includes('Records: 10000  Deleted: 0  Skipped: 0  Warnings: 0'), done.info);
  const got = (await rows(connection, `SELECT COUNT(*), SUM(id), SUM(v IS NULL), SUM(v), MAX(IF(id = 777, name, '')) FROM ${table}`))[0];
  eq('rows', [10000, 50005000, 1000, 90000000, 'line 777'], got.map((v, at) => (at < 4 ? Number(v) : v)));
  await fails('no such table', 1146, () => load(fs.createReadStream(settings.loadFile), `${table}_none`));
  eq('after the error', 1, await one(connection, 'SELECT 1'));
  eq('an empty file', 0, (await load(Readable.from([])))[0].affectedRows);
  const [pieces] = await load(Readable.from(['2000', '0\tin pie', 'ces\t', '7\n'].map((piece) => Buffer.from(piece))));
  eq('in four pieces', 1, pieces.affectedRows);
  eq('in four pieces', [['in pieces', 7]], await rows(connection, `SELECT name, v FROM ${table} WHERE id = 20000`));
  await drop(connection, table);
});

feature('charset', async () => {
  const connection = await connect();
  const table = await fresh(connection, 'charset', 'id INT PRIMARY KEY, s VARCHAR(100)');
  const word = 'naïve €-中文-🚂🎉';
  await connection.execute(`INSERT INTO ${table} VALUES (1, ?)`, [word]);
  eq('stored as utf8mb4', Buffer.from(word).toString('hex').toUpperCase(), await one(connection, `SELECT HEX(s) FROM ${table}`));
  for (const how of ['query', 'execute']) eq(`utf8mb4 back by ${how}`, word, await one(connection, `SELECT s FROM ${table}`, [], how));
  const latin = await connect({ charset: 'LATIN1_SWEDISH_CI' });
  eq('character set', 'latin1', await one(latin, 'SELECT @@character_set_client'));
  await latin.query(`INSERT INTO ${table} VALUES (2, ?)`, ['café']);
  await latin.execute(`INSERT INTO ${table} VALUES (3, ?)`, ['café']);
  for (const number of [2, 3]) {
    eq('latin1 back', 'café', await one(latin, `SELECT s FROM ${table} WHERE id = ${number}`));
    eq('latin1 sent, utf8mb4 stored', '636166C3A9', await one(latin, `SELECT HEX(s) FROM ${table} WHERE id = ${number}`));
  }
  await latin.query('SET NAMES utf8mb4');
  eq('after SET NAMES', word, await one(latin, `SELECT s FROM ${table} WHERE id = 1`));
  await latin.end();
  await drop(connection, table);
});

async function soil(connection) {
  await connection.query('SET @v = 42, SESSION group_concat_max_len = 777');
  await connection.query(`CREATE TEMPORARY TABLE ${PRE}temp (id INT)`);
  eq('user variable', 42, await one(connection, 'SELECT @v'));
}

async function checkClean(connection, schema) {
  eq('user variable', null, await one(connection, 'SELECT @v'));
  ok('session variable', (await one(connection, 'SELECT @@group_concat_max_len')) !== 777);
  eq('schema', schema, await one(connection, 'SELECT DATABASE()'));
  await fails('temporary table', 1146, () => connection.query(`SELECT * FROM ${settings.database}.${PRE}temp`));
}

feature('change_user', async () => {
  const connection = await connect();
  for (let round = 0; round < 3; round++) {
    await soil(connection);
    await connection.changeUser({ user: settings.user, password: settings.password, database: settings.database });
    await checkClean(connection, settings.database);
    eq('execute afterwards', round, await one(connection, 'SELECT ?', [round], 'execute'));
  }
  await connection.changeUser({ user: settings.user, password: settings.password, database: 'information_schema' });
  await checkClean(connection, 'information_schema');
  await fails('wrong password', 1045, () => connection.changeUser({ user: settings.user, password: `${settings.password}x`, database: settings.database }));
  connection.destroy();
});

feature('reset_connection', async () => {
  const connection = await connect();
  const table = await fresh(connection, 'reset', 'id INT');
  for (let round = 0; round < 3; round++) {
    await soil(connection);
    await connection.beginTransaction();
    await connection.query(`INSERT INTO ${table} VALUES (1)`);
    await connection.reset();
    await checkClean(connection, settings.database);
    eq('the open transaction is rolled back', 0, await one(connection, `SELECT COUNT(*) FROM ${table}`));
    eq('execute afterwards', round, Number(await one(connection, 'SELECT ? + 0', [round], 'execute')));
  }
  await drop(connection, table);
});

feature('cursor', async () => {
  const connection = await connect();
  for (const how of ['query', 'execute']) {
    const big = new Big();
    const stream = connection.connection[how]({ sql: sharedSql('big.sql'), rowsAsArray: true }).stream({ highWaterMark: 50 });
    let seen = 0;
    for await (const [n, payload] of stream) {
      big.row(Number(n), payload);
      if (++seen % 50000 === 0) await sleepMs(50); // a slow reader
    }
    big.check();
  }
  eq('afterwards', 1, await one(connection, 'SELECT 1'));
  await connection.end();
  return 'streamed rows: the driver has no server-side cursor';
});

feature('affected', async () => {
  const connection = await connect({ flags: ['-FOUND_ROWS'] });
  const table = await fresh(connection, 'affected', 'id INT AUTO_INCREMENT PRIMARY KEY, v TINYINT');
  for (const how of ['query', 'execute']) {
    const [inserted] = await connection[how](`INSERT INTO ${table} (v) VALUES (1),(2),(3)`);
    eq('INSERT', 3, inserted.affectedRows);
    ok('info', inserted.info.includes('Records: 3  Duplicates: 0  Warnings: 0'), inserted.info);
    eq('last insert id', await one(connection, `SELECT MIN(id) FROM ${table}`), inserted.insertId);
    eq('LAST_INSERT_ID()', inserted.insertId, Number(await one(connection, 'SELECT LAST_INSERT_ID()')));
    const [updated] = await connection[how](`UPDATE ${table} SET v = 2`);
    eq('UPDATE: changed', [2, 2], [updated.affectedRows, updated.changedRows]);
    ok('info', updated.info.includes('Rows matched: 3  Changed: 2  Warnings: 0'), updated.info);
    const [ignored] = await connection[how](`INSERT IGNORE INTO ${table} (v) VALUES (1000), (2000), (4)`);
    eq('warnings', 2, ignored.warningStatus);
    eq('SHOW WARNINGS', [1264, 1264], (await rows(connection, 'SHOW WARNINGS')).map((row) => row[1]));
    eq('DELETE', 6, (await connection[how](`DELETE FROM ${table}`))[0].affectedRows);
  }
  await drop(connection, table);
  const found = await connect({ flags: ['FOUND_ROWS'] });
  const other = await fresh(found, 'affected', 'id INT AUTO_INCREMENT PRIMARY KEY, v TINYINT');
  await found.query(`INSERT INTO ${other} (v) VALUES (1),(2),(3)`);
  const [matched] = await found.query(`UPDATE ${other} SET v = 2`);
  eq('UPDATE with CLIENT_FOUND_ROWS: matched, changed', [3, 2], [matched.affectedRows, matched.changedRows]);
  await drop(found, other);
});

feature('ping', async () => {
  const connection = await connect();
  for (let n = 0; n < 100; n++) await connection.ping();
  eq('afterwards', 1, await one(connection, 'SELECT 1'));
  await connection.end();
});

feature('schema', async () => {
  const connection = await connect();
  const table = await fresh(connection, 'schema', 'id INT');
  await connection.query('USE information_schema');
  eq('USE', 'information_schema', await one(connection, 'SELECT DATABASE()'));
  await fails('the table is elsewhere', [1109, 1146], () => connection.query(`SELECT * FROM ${table}`));
  await fails('the table is elsewhere', [1109, 1146], () => connection.execute(`SELECT * FROM ${table}`));
  await connection.query(`USE ${settings.database}`);
  eq('back', settings.database, await one(connection, 'SELECT DATABASE()', [], 'execute'));
  await fails('unknown schema', [1044, 1049], () => connection.query('USE no_such_schema'));
  eq('stays after the error', settings.database, await one(connection, 'SELECT DATABASE()'));
  await drop(connection, table);
});

feature('kill_query', async () => {
  const connection = await connect();
  const other = await connect();
  const table = await fresh(connection, 'kill', 'id INT');
  await connection.query(`INSERT INTO ${table} VALUES (1), (2)`);
  const sleep = `SELECT SLEEP(20), id FROM ${table}`;
  for (const [name, number, how] of [["the greeting's id", connection.threadId, 'query'], ['CONNECTION_ID()', await one(connection, 'SELECT CONNECTION_ID()'), 'execute']]) {
    const sleeping = fails(`KILL QUERY by ${name}`, 1317, () => connection[how](sleep));
    sleeping.catch(() => {});
    let seen = 0;
    for (let n = 0; n < 600 && !seen; n++) {
      await sleepMs(50);
      seen = Number(await one(other, "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User sleep' AND info LIKE ?", [`${sleep}%`]));
    }
    ok('the statement to kill is in the process list', seen, 'nothing in 600 looks');
    const began = Date.now();
    await other.query(`KILL QUERY ${number}`);
    await sleeping;
    ok(`KILL QUERY by ${name}: ends soon`, Date.now() - began < 10000, Date.now() - began);
    eq('afterwards', 2, await one(connection, `SELECT COUNT(*) FROM ${table}`));
  }
  await other.query(`KILL ${connection.threadId}`);
  await fails('after KILL CONNECTION', ['PROTOCOL_CONNECTION_LOST', 'ECONNRESET', 'EPIPE', undefined, 1927, 4031], () => connection.query('SELECT 1'));
  await drop(other, table);
});

feature('prepare_cycles', async () => {
  const connection = await connect();
  for (let n = 0; n < 1000; n++) {
    const statement = await connection.prepare(`SELECT ? + ${n} AS v`);
    const [got] = await statement.execute([7]);
    eq(`cycle ${n}`, n + 7, Number(got[0].v));
    await statement.close();
  }
  const open = [];
  for (let n = 0; n < 100; n++) open.push(await connection.prepare(`SELECT ${n} AS n, ? AS v`));
  for (let n = 99; n >= 0; n--) eq('100 statements open at once', [n, String(-n)], Object.values((await open[n].execute([String(-n)]))[0][0]));
  await connection.end();
});

feature('empty', async () => {
  const connection = await connect();
  const table = await fresh(connection, 'empty', 'id INT, s VARCHAR(10)');
  for (const how of ['query', 'execute']) {
    const [none, columns] = await connection[how](`SELECT * FROM ${table}`);
    eq(`no rows by ${how}`, [[], ['id', 's']], [none, columns.map((column) => column.name)]);
    eq(`empty and NULL by ${how}`, [['', null]], await rows(connection, "SELECT '', NULL", [], how));
    eq(`DO by ${how}`, 0, (await connection[how]('DO 1'))[0].affectedRows);
    const wide = Array.from({ length: 500 }, (_, n) => n);
    eq(`500 columns by ${how}`, [wide], await rows(connection, `SELECT ${wide.map((n) => `${n} AS c${n}`).join(', ')}`, [], how));
  }
  await drop(connection, table);
});

feature('pipeline', async () => {
  // The driver queues what is asked at once and sends each after the last answer.
  const connection = await connect();
  const got = await Promise.all(Array.from({ length: 200 }, (_, n) => one(connection, 'SELECT ?', [String(n)], n % 2 ? 'query' : 'execute')));
  eq('200 answers in order', Array.from({ length: 200 }, (_, n) => String(n)), got);
  await connection.end();
  return "queued in the driver, not on the wire";
});

runAll('mysql2');
