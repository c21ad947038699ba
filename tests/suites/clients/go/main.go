// go-sql-driver/mysql through database/sql: text, prepared, and `interpolateParams`.
package main

import (
	"bytes"
	"context"
	"database/sql"
	"database/sql/driver"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

const pre = "go_"

var ctx = context.Background()

// silent keeps the driver's own log of broken connections away from the report.
type silent struct{}

func (silent) Print(...any) {}

func config(change func(*mysql.Config)) *mysql.Config {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr, c.DBName = user, password, "tcp", net.JoinHostPort(host, port), database
	c.Collation = "utf8mb4_general_ci"
	c.MaxAllowedPacket = 64 * mib
	c.Timeout = 15 * time.Second
	c.AllowAllFiles = true
	c.Logger = silent{}
	if setting("TLS", "0") == "1" {
		c.TLSConfig = "skip-verify"
	}
	if change != nil {
		change(c)
	}
	return c
}

// pool of at most one connection, so that session state can be looked at; `conn` holds it.
func connect(change func(*mysql.Config)) (*sql.DB, *sql.Conn) {
	connector, err := mysql.NewConnector(config(change))
	check("configuration", err)
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(1)
	conn, err := db.Conn(ctx)
	check("connect", err)
	return db, conn
}

func login(change func(*mysql.Config)) error {
	connector, err := mysql.NewConnector(config(change))
	check("configuration", err)
	db := sql.OpenDB(connector)
	defer db.Close()
	return db.Ping()
}

func exec(c *sql.Conn, query string, args ...any) sql.Result {
	result, err := c.ExecContext(ctx, query, args...)
	check(fmt.Sprintf("%.80s", query), err)
	return result
}

func execErr(c *sql.Conn, query string, args ...any) error {
	_, err := c.ExecContext(ctx, query, args...)
	return err
}

// rowsErr reads all rows as the driver's own values.
func rowsErr(c *sql.Conn, query string, args ...any) ([][]any, error) {
	rows, err := c.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	return scan(rows)
}

func scan(rows *sql.Rows) ([][]any, error) {
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	all := [][]any{}
	for rows.Next() {
		row, into := make([]any, len(columns)), make([]any, len(columns))
		for at := range row {
			into[at] = &row[at]
		}
		if err := rows.Scan(into...); err != nil {
			return nil, err
		}
		all = append(all, row)
	}
	return all, rows.Err()
}

func one[T any](c *sql.Conn, query string, args ...any) T {
	var value T
	check(fmt.Sprintf("%.80s", query), c.QueryRowContext(ctx, query, args...).Scan(&value))
	return value
}

func fresh(c *sql.Conn, name, columns string) string {
	table := pre + name
	exec(c, "DROP TABLE IF EXISTS "+table)
	exec(c, "CREATE TABLE "+table+" ("+columns+") CHARACTER SET utf8mb4")
	return table
}

func drop(db *sql.DB, c *sql.Conn, table string) {
	exec(c, "DROP TABLE "+table)
	c.Close()
	check("close", db.Close())
}

func interpolate(c *mysql.Config) { c.InterpolateParams = true }

func init() {
	features = []feature{
		{"login", loginFeature}, {"wrong_password", wrongPassword}, {"text", text}, {"prepared", prepared},
		{"big_result", bigResult}, {"big_packet", bigPacket}, {"errors", errorsFeature}, {"transaction", transaction},
		{"multi_statement", multiStatement}, {"procedure", procedure}, {"load_data", loadData}, {"charset", charset},
		{"change_user", none("the driver has no COM_CHANGE_USER")},
		{"reset_connection", none("the driver has no COM_RESET_CONNECTION")},
		{"cursor", cursor}, {"affected", affected}, {"ping", ping}, {"schema", schema}, {"kill_query", killQuery},
		{"prepare_cycles", prepareCycles}, {"empty", empty}, {"pipeline", none("the driver waits for each answer")},
	}
}

func none(why string) func() string { return func() string { panic(skip(why)) } }

func main() { runAll("go") }

func loginFeature() string {
	db, c := connect(nil)
	eq("schema", database, one[string](c, "SELECT DATABASE()"))
	eq("user", user, strings.Split(one[string](c, "SELECT CURRENT_USER()"), "@")[0])
	ok("flavor", strings.Contains(one[string](c, "SELECT VERSION()"), "MariaDB") == (flavor == "mariadb"), flavor)
	c.Close()
	db.Close()
	db, c = connect(func(c *mysql.Config) { c.DBName = "" })
	eq("no schema", sql.NullString{}, one[sql.NullString](c, "SELECT DATABASE()"))
	c.Close()
	db.Close()
	db, c = connect(func(c *mysql.Config) { check("compress", c.Apply(mysql.EnableCompression(true))) })
	eq("with compression, if offered", strings.Repeat("z", 300000), one[string](c, "SELECT REPEAT('z', 300000)"))
	c.Close()
	db.Close()
	return ""
}

func wrongPassword() string {
	fails("wrong password", login(func(c *mysql.Config) { c.Passwd += "x" }), 1045)
	fails("empty password", login(func(c *mysql.Config) { c.Passwd = "" }), 1045)
	fails("unknown user", login(func(c *mysql.Config) { c.User = "nobody_" + user }), 1045)
	fails("unknown schema", login(func(c *mysql.Config) { c.DBName = "no_such_schema" }), 1044, 1049)
	return ""
}

func allBytes() []byte {
	out := make([]byte, 256)
	for at := range out {
		out[at] = byte(at)
	}
	return out
}

var names = strings.Fields("id ti tu si mi i iu bi bu f d de vc ch tx bl bn dt dtm ts tm yr en st js")

// What a column holds, in the form of the text protocol.
func expected() [][]any {
	nothing := make([]any, 25)
	nothing[0] = "3"
	return [][]any{
		{"1", "127", "255", "32767", "8388607", "2147483647", "4294967295", "9223372036854775807", "18446744073709551615", "1.5", "1.25e+100",
			"12345678901234567890.0123456789", "héllo €", "abc", strings.Repeat("long", 1000), string(allBytes()), "\x00\x01\xfe\xff", "2024-02-29",
			"2024-12-31 23:59:59.123456", "2024-06-15 12:34:56", "12:34:56.500000", "2024", "b", "x,z", `{"a":[1,null]}`},
		{"2", "-128", "0", "-32768", "-8388608", "-2147483648", "0", "-9223372036854775808", "0", "-1.5", "-2.5e-10",
			"-0.0000000001", "", "", "", "", "\x00\x00\x00\x00", "1000-01-01", "1000-01-01 00:00:00.000000", "2000-01-01 00:00:00",
			"-123:04:05.678901", "1901", "a", "", "[]"},
		nothing,
	}
}

// plain brings a value of the driver into the form of `expected`.
func plain(name string, value any) any {
	switch v := value.(type) {
	case nil:
		return nil
	case []byte:
		text := string(v)
		if name == "js" {
			var parsed any
			check("JSON", json.Unmarshal(v, &parsed))
			again, _ := json.Marshal(parsed)
			return string(again)
		}
		if name == "d" && strings.Contains(text, "e") && !strings.Contains(text, "e-") && !strings.Contains(text, "e+") {
			return strings.Replace(text, "e", "e+", 1)
		}
		if name == "d" && text == "-0.00000000025" {
			return "-2.5e-10"
		}
		return text
	default:
		return fmt.Sprint(v)
	}
}

func checkTypes(c *sql.Conn, table string, rows [][]any, err error) {
	check("rows", err)
	eq("the server's own verdict", int64(111), one[int64](c, sharedSQL("types_check.sql", table)))
	eq("number of rows", 3, len(rows))
	for at, want := range expected() {
		for column, name := range names {
			eq(fmt.Sprintf("row %d column %s", at+1, name), want[column], plain(name, rows[at][column]))
		}
	}
}

func typesTable(c *sql.Conn, name string) string {
	table := pre + name
	exec(c, "SET time_zone = '+00:00'")
	exec(c, "DROP TABLE IF EXISTS "+table)
	exec(c, sharedSQL("types_create.sql", table))
	return table
}

// insertValues sends the rows as parameters of Go's own types.
func insertValues(c *sql.Conn, table string) {
	at := time.Date
	utc := time.UTC
	rows := [][]any{
		{1, int8(127), uint8(255), int16(32767), 8388607, int32(math.MaxInt32), uint32(math.MaxUint32), int64(math.MaxInt64), uint64(math.MaxUint64),
			float32(1.5), 1.25e100, "12345678901234567890.0123456789", "héllo €", "abc", strings.Repeat("long", 1000), allBytes(), []byte{0, 1, 0xfe, 0xff},
			at(2024, 2, 29, 0, 0, 0, 0, utc), at(2024, 12, 31, 23, 59, 59, 123456000, utc), at(2024, 6, 15, 12, 34, 56, 0, utc), "12:34:56.5", 2024, "b", "x,z",
			json.RawMessage(`{"a": [1, null]}`)},
		{2, int8(-128), uint8(0), int16(-32768), -8388608, int32(math.MinInt32), uint32(0), int64(math.MinInt64), uint64(0),
			float32(-1.5), -2.5e-10, "-0.0000000001", "", "", "", []byte{}, make([]byte, 4),
			at(1000, 1, 1, 0, 0, 0, 0, utc), at(1000, 1, 1, 0, 0, 0, 0, utc), at(2000, 1, 1, 0, 0, 0, 0, utc), "-123:04:05.678901", 1901, "a", "",
			json.RawMessage(`[]`)},
		append([]any{3}, make([]any, 24)...),
	}
	for _, row := range rows {
		exec(c, "INSERT INTO "+table+" VALUES ("+strings.Repeat("?,", 24)+"?)", row...)
	}
}

func text() string {
	db, c := connect(interpolate)
	table := typesTable(c, "text")
	affected, _ := exec(c, sharedSQL("types_insert.sql", table)).RowsAffected()
	eq("inserted", int64(3), affected)
	rows, err := rowsErr(c, "SELECT * FROM "+table+" ORDER BY id")
	checkTypes(c, table, rows, err)
	exec(c, "DELETE FROM "+table)
	insertValues(c, table)
	rows, err = rowsErr(c, "SELECT * FROM "+table+" ORDER BY id")
	checkTypes(c, table, rows, err)
	drop(db, c, table)
	return ""
}

func prepared() string {
	db, c := connect(nil)
	table := typesTable(c, "prepared")
	insertValues(c, table)
	rows, err := rowsErr(c, "SELECT * FROM "+table+" WHERE id > ? ORDER BY id", 0)
	checkTypes(c, table, rows, err)
	statement, err := c.PrepareContext(ctx, "SELECT id FROM "+table+" WHERE bu = ? OR vc = ? ORDER BY id LIMIT 1")
	check("prepare", err)
	for _, round := range []struct {
		bu   uint64
		vc   string
		want int64
	}{{math.MaxUint64, "none", 1}, {7, "", 2}, {0, "x", 2}} {
		var id int64
		check("execute again", statement.QueryRow(round.bu, round.vc).Scan(&id))
		eq("execute again", round.want, id)
	}
	check("close", statement.Close())
	_, err = c.PrepareContext(ctx, "SELEKT ?")
	fails("error in prepare", err, 1064)
	fails("error in execute", execErr(c, "INSERT INTO "+table+" (id) VALUES (?)", 1), 1062)
	eq("afterwards", int64(3), one[int64](c, "SELECT COUNT(*) FROM "+table+" WHERE id > ?", 0))
	drop(db, c, table)
	return ""
}

func bigResult() string {
	db, c := connect(nil)
	for _, args := range [][]any{nil, {0}} {
		query := sharedSQL("big.sql", "")
		if args != nil {
			query += " WHERE n >= ?"
		}
		readBig(c, query, args, 0)
	}
	eq("afterwards", int64(1), one[int64](c, "SELECT 1"))
	c.Close()
	db.Close()
	return ""
}

// readBig reads row by row and rests each 50,000 rows.
func readBig(c *sql.Conn, query string, args []any, rest time.Duration) {
	rows, err := c.QueryContext(ctx, query, args...)
	check("big.sql", err)
	defer rows.Close()
	seen := big{}
	var n int64
	var payload sql.RawBytes
	for rows.Next() {
		check("scan", rows.Scan(&n, &payload))
		seen.row(n, string(payload))
		if n%50000 == 0 {
			time.Sleep(rest)
		}
	}
	check("rows", rows.Err())
	seen.check()
}

func bigPacket() string {
	db, c := connect(nil)
	table := fresh(c, "big_packet", "id INT PRIMARY KEY, b LONGBLOB")
	blobs := [][]byte{pattern(20*mib, 0), pattern(20*mib, 3)}
	exec(c, "INSERT INTO "+table+" VALUES (?, ?)", 2, blobs[1])
	textDB, textConn := connect(interpolate)
	exec(textConn, "INSERT INTO "+table+" VALUES (?, ?)", 1, blobs[0])
	for _, conn := range []*sql.Conn{c, textConn} {
		for id := 1; id <= 2; id++ {
			var size int
			var back []byte
			check("select", conn.QueryRowContext(ctx, "SELECT LENGTH(b), b FROM "+table+" WHERE id = ?", id).Scan(&size, &back))
			eq("stored length", 20*mib, size)
			ok(fmt.Sprintf("20 MiB blob %d round trip", id), bytes.Equal(back, blobs[id-1]), len(back))
		}
	}
	literal := letters(20 * mib)
	ok("20 MiB literal round trip", one[string](textConn, "SELECT '"+literal+"' AS v") == literal, nil)
	ok("20 MiB parameter round trip", one[string](c, "SELECT ? AS v", literal) == literal, nil)
	around := len("SELECT LENGTH('')")
	for _, size := range edgeText {
		eq(fmt.Sprintf("a statement of %d bytes", size), size-around, one[int](textConn, "SELECT LENGTH('"+literal[:size-around]+"')"))
	}
	for _, size := range edgeRow {
		back := one[string](textConn, fmt.Sprintf("SELECT REPEAT('x', %d)", size))
		ok(fmt.Sprintf("a row with %d bytes", size), back == strings.Repeat("x", size), len(back))
	}
	textConn.Close()
	textDB.Close()
	drop(db, c, table)
	return ""
}

func errorsFeature() string {
	db, c := connect(nil)
	table := fresh(c, "errors", "id INT PRIMARY KEY")
	exec(c, "INSERT INTO "+table+" VALUES (1), (2)")
	among := "SELECT t.id, (SELECT u.id FROM " + table + " u WHERE u.id <= t.id) FROM " + table + " t WHERE t.id > ? ORDER BY t.id"
	for _, change := range []func(*mysql.Config){nil, interpolate} {
		db, c := connect(change)
		for query, code := range map[string]uint16{"SELEKT ?": 1064, "SELECT * FROM " + table + "_none WHERE id = ?": 1146,
			"INSERT INTO " + table + " VALUES (?)": 1062, "SELECT nope FROM " + table + " WHERE id = ?": 1054} {
			fails(query, execErr(c, query, 1), code)
			eq("afterwards", int64(2), one[int64](c, "SELECT COUNT(*) FROM "+table))
		}
		_, err := rowsErr(c, among, 0)
		fails("error among rows", err, 1242)
		eq("after an error among rows", int64(2), one[int64](c, "SELECT COUNT(*) FROM "+table+" WHERE id > ?", 0))
		c.Close()
		db.Close()
	}
	server := fails("duplicate", execErr(c, "INSERT INTO "+table+" VALUES (1)"), 1062)
	eq("SQLSTATE", "23000", string(server.SQLState[:]))
	ok("the server's own message", strings.Contains(server.Message, "Duplicate entry '1'"), server.Message)
	drop(db, c, table)
	return ""
}

func transaction() string {
	dbA, a := connect(nil)
	db, b := connect(nil)
	table := fresh(b, "transaction", "id INT PRIMARY KEY, v INT")
	count := "SELECT COUNT(*) FROM " + table
	in := func(tx *sql.Tx) (n int64) {
		check(count, tx.QueryRow(count).Scan(&n))
		return n
	}
	tx, err := a.BeginTx(ctx, nil)
	check("begin", err)
	_, err = tx.Exec("INSERT INTO "+table+" VALUES (?, 1)", 1)
	check("insert", err)
	eq("own write", int64(1), in(tx))
	eq("others see nothing before COMMIT", int64(0), one[int64](b, count))
	check("commit", tx.Commit())
	eq("others see it after COMMIT", int64(1), one[int64](b, count))
	tx, _ = a.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelRepeatableRead})
	eq("snapshot", int64(1), in(tx))
	exec(b, "INSERT INTO "+table+" VALUES (3, 3)")
	eq("the snapshot stays", int64(1), in(tx))
	check("rollback", tx.Rollback())
	tx, _ = a.BeginTx(ctx, &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	eq("READ COMMITTED, before", int64(2), in(tx))
	exec(b, "INSERT INTO "+table+" VALUES (4, 4)")
	eq("READ COMMITTED, after", int64(3), in(tx))
	check("rollback", tx.Rollback())
	tx, _ = a.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	_, err = tx.Exec("INSERT INTO " + table + " VALUES (9, 9)")
	fails("write in a READ ONLY transaction", err, 1792)
	check("rollback", tx.Rollback())
	tx, _ = a.BeginTx(ctx, nil)
	_, err = tx.Exec("UPDATE " + table + " SET v = 7 WHERE id = 1")
	check("update", err)
	exec(b, "SET SESSION innodb_lock_wait_timeout = 1")
	fails("lock wait", execErr(b, "UPDATE "+table+" SET v = 9 WHERE id = ?", 1), 1205)
	// The connection breaks inside the transaction.
	check("break", a.Raw(func(conn any) error { return conn.(io.Closer).Close() }))
	time.Sleep(200 * time.Millisecond)
	eq("nothing left of a lost transaction", int64(1), one[int64](b, "SELECT v FROM "+table+" WHERE id = 1"))
	dbA.Close()
	drop(db, b, table)
	return ""
}

func multiStatement() string {
	db, c := connect(func(c *mysql.Config) { c.MultiStatements = true })
	table := fresh(c, "multi", "id INT AUTO_INCREMENT PRIMARY KEY, v INT")
	check("exec of three", c.Raw(func(conn any) error {
		result, err := conn.(driver.ExecerContext).ExecContext(ctx, "INSERT INTO "+table+" (v) VALUES (1),(2); UPDATE "+table+" SET v = v + 1; DO 1", nil)
		if err == nil {
			eq("affected by each", []int64{2, 2, 0}, result.(mysql.Result).AllRowsAffected())
		}
		return err
	}))
	rows, err := c.QueryContext(ctx, "SELECT v FROM "+table+" ORDER BY v; SELECT 'end', 1; SELECT v FROM "+table+" WHERE 1 = 0")
	check("query of three", err)
	var got [][][]any
	for {
		set, err := scan(rows)
		check("rows", err)
		got = append(got, set)
		if !rows.NextResultSet() {
			break
		}
	}
	check("no error", rows.Err())
	rows.Close()
	text := fmt.Sprintf("%s", got)
	eq("three results", 3, len(got))
	eq("rows of each", []int{2, 1, 0}, []int{len(got[0]), len(got[1]), len(got[2])})
	ok("the second", strings.Contains(text, "end"), text)
	rows, err = c.QueryContext(ctx, "SELECT 1; SELEKT 2; SELECT 3")
	check("before the error", err)
	for rows.Next() {
	}
	eq("no second result", false, rows.NextResultSet())
	fails("error in the second statement", rows.Err(), 1064)
	rows.Close()
	eq("afterwards", int64(2), one[int64](c, "SELECT COUNT(*) FROM "+table))
	drop(db, c, table)
	db, c = connect(nil)
	fails("without the flag", execErr(c, "SELECT 1; SELECT 2"), 1064)
	c.Close()
	db.Close()
	return ""
}

func procedure() string {
	for _, change := range []func(*mysql.Config){nil, interpolate} {
		db, c := connect(change)
		exec(c, "DROP PROCEDURE IF EXISTS "+pre+"proc")
		exec(c, "CREATE PROCEDURE "+pre+"proc(IN n INT) BEGIN SELECT n AS a; SELECT n + 1 AS b, 'x' AS c; END")
		rows, err := c.QueryContext(ctx, "CALL "+pre+"proc(?)", 20)
		check("call", err)
		var a, b int64
		var x string
		ok("a row", rows.Next(), rows.Err())
		check("scan", rows.Scan(&a))
		ok("no second row", !rows.Next(), nil)
		ok("a second set", rows.NextResultSet(), rows.Err())
		ok("a row", rows.Next(), rows.Err())
		check("scan", rows.Scan(&b, &x))
		eq("both sets", []any{int64(20), int64(21), "x"}, []any{a, b, x})
		check("close", rows.Close())
		eq("afterwards", int64(1), one[int64](c, "SELECT 1"))
		exec(c, "DROP PROCEDURE "+pre+"proc")
		c.Close()
		db.Close()
	}
	return ""
}

func loadData() string {
	db, c := connect(nil)
	table := fresh(c, "load", "id INT PRIMARY KEY, name VARCHAR(40), v INT")
	load := func(from, to string) (int64, error) {
		result, err := c.ExecContext(ctx, "LOAD DATA LOCAL INFILE '"+from+"' INTO TABLE "+to)
		if err != nil {
			return 0, err
		}
		return result.RowsAffected()
	}
	n, err := load(loadFile, table)
	check("load", err)
	eq("affected", int64(10000), n)
	var count, sum, nulls, values int64
	check("select", c.QueryRowContext(ctx, "SELECT COUNT(*), SUM(id), SUM(v IS NULL), SUM(v) FROM "+table).Scan(&count, &sum, &nulls, &values))
	eq("rows", []int64{10000, 50005000, 1000, 90000000}, []int64{count, sum, nulls, values})
	_, err = load(loadFile, table+"_none")
	fails("no such table", err, 1146)
	_, err = load("/no/such/file", table)
	ok("no such file", err != nil && strings.Contains(err.Error(), "no such file"), err)
	eq("after the errors", "line 777", one[string](c, "SELECT name FROM "+table+" WHERE id = 777"))
	mysql.RegisterReaderHandler("empty", func() io.Reader { return strings.NewReader("") })
	n, err = load("Reader::empty", table)
	check("an empty file", err)
	eq("an empty file", int64(0), n)
	mysql.RegisterReaderHandler("broken", func() io.Reader {
		return io.MultiReader(strings.NewReader("30000\tx\t1\n"), &breaking{})
	})
	_, err = load("Reader::broken", table)
	ok("a reader that breaks", err != nil && strings.Contains(err.Error(), "broke"), err)
	eq("afterwards", int64(10000), one[int64](c, "SELECT COUNT(*) FROM "+table+" WHERE id <= 10000"))
	drop(db, c, table)
	return ""
}

type breaking struct{}

func (*breaking) Read([]byte) (int, error) { return 0, errors.New("broke") }
