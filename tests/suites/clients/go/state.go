package main

// Character sets, counts, schemas, KILL, and small things.

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

func charset() string {
	db, c := connect(nil)
	table := fresh(c, "charset", "id INT PRIMARY KEY, s VARCHAR(100)")
	word := "naïve €-中文-🚂🎉"
	exec(c, "INSERT INTO "+table+" VALUES (1, ?)", word)
	eq("stored as utf8mb4", fmt.Sprintf("%X", word), one[string](c, "SELECT HEX(s) FROM "+table))
	eq("utf8mb4 back", word, one[string](c, "SELECT s FROM "+table))
	eq("utf8mb4 back, prepared", word, one[string](c, "SELECT s FROM "+table+" WHERE id = ?", 1))
	for number, change := range []func(*mysql.Config){
		func(c *mysql.Config) { c.Collation = "latin1_swedish_ci" },
		func(c *mysql.Config) { c.Collation = ""; check("charset", c.Apply(mysql.Charset("latin1", ""))) },
	} {
		latinDB, latin := connect(change)
		eq("character set", "latin1", one[string](latin, "SELECT @@character_set_client"))
		exec(latin, "INSERT INTO "+table+" VALUES (?, ?)", number+2, []byte("caf\xe9"))
		exec(latin, "UPDATE "+table+" SET s = 'caf\xe9' WHERE id = "+fmt.Sprint(number+2))
		eq("latin1 back", "caf\xe9", one[string](latin, "SELECT s FROM "+table+" WHERE id = ?", number+2))
		eq("latin1 sent, utf8mb4 stored", "636166C3A9", one[string](latin, "SELECT HEX(s) FROM "+table+" WHERE id = ?", number+2))
		exec(latin, "SET NAMES utf8mb4")
		eq("after SET NAMES", word, one[string](latin, "SELECT s FROM "+table+" WHERE id = 1"))
		latin.Close()
		latinDB.Close()
	}
	drop(db, c, table)
	return ""
}

func cursor() string {
	db, c := connect(nil)
	readBig(c, sharedSQL("big.sql", "")+" WHERE n >= ?", []any{0}, 50*time.Millisecond)
	// Left half read: the driver reads the rest away.
	rows, err := c.QueryContext(ctx, sharedSQL("big.sql", ""))
	check("big.sql", err)
	ok("a row", rows.Next(), rows.Err())
	check("close", rows.Close())
	eq("afterwards", int64(7), one[int64](c, "SELECT 7"))
	c.Close()
	db.Close()
	return "rows as they come: the driver has no server-side cursor"
}

func affected() string {
	for _, change := range []func(*mysql.Config){nil, interpolate} {
		db, c := connect(change)
		table := fresh(c, "affected", "id INT AUTO_INCREMENT PRIMARY KEY, v TINYINT")
		result := exec(c, "INSERT INTO "+table+" (v) VALUES (?),(2),(3)", 1)
		n, _ := result.RowsAffected()
		first, _ := result.LastInsertId()
		eq("INSERT", int64(3), n)
		eq("last insert id", one[int64](c, "SELECT MIN(id) FROM "+table), first)
		eq("LAST_INSERT_ID()", first, one[int64](c, "SELECT LAST_INSERT_ID()"))
		n, _ = exec(c, "UPDATE "+table+" SET v = ?", 2).RowsAffected()
		eq("UPDATE: changed", int64(2), n)
		exec(c, "INSERT IGNORE INTO "+table+" (v) VALUES (1000), (2000), (?)", 4)
		rows, err := rowsErr(c, "SHOW WARNINGS")
		check("SHOW WARNINGS", err)
		eq("two warnings", 2, len(rows))
		eq("their code", "1264", plain("", rows[1][1]))
		n, _ = exec(c, "DELETE FROM "+table).RowsAffected()
		eq("DELETE", int64(6), n)
		drop(db, c, table)
	}
	db, c := connect(func(c *mysql.Config) { c.ClientFoundRows = true })
	table := fresh(c, "affected", "id INT AUTO_INCREMENT PRIMARY KEY, v TINYINT")
	exec(c, "INSERT INTO "+table+" (v) VALUES (1),(2),(3)")
	n, _ := exec(c, "UPDATE "+table+" SET v = 2").RowsAffected()
	eq("UPDATE with CLIENT_FOUND_ROWS: matched", int64(3), n)
	drop(db, c, table)
	return ""
}

func ping() string {
	db, c := connect(nil)
	for range 100 {
		check("ping", c.PingContext(ctx))
	}
	eq("afterwards", int64(1), one[int64](c, "SELECT 1"))
	c.Close()
	db.Close()
	return ""
}

func schema() string {
	db, c := connect(nil)
	table := fresh(c, "schema", "id INT")
	exec(c, "USE information_schema")
	eq("USE", "information_schema", one[string](c, "SELECT DATABASE() WHERE 1 = ?", 1))
	fails("the table is elsewhere", execErr(c, "SELECT * FROM "+table), 1109, 1146)
	fails("the table is elsewhere", execErr(c, "SELECT * FROM "+table+" WHERE id = ?", 1), 1109, 1146)
	exec(c, "USE "+database)
	eq("back", database, one[string](c, "SELECT DATABASE()"))
	fails("unknown schema", execErr(c, "USE no_such_schema"), 1044, 1049)
	eq("stays after the error", database, one[string](c, "SELECT DATABASE()"))
	drop(db, c, table)
	return ""
}

func killQuery() string {
	db, c := connect(nil)
	otherDB, other := connect(nil)
	table := fresh(c, "kill", "id INT")
	exec(c, "INSERT INTO "+table+" VALUES (1), (2)")
	sleep := "SELECT SLEEP(20), id FROM " + table
	for _, args := range [][]any{nil, {0}} {
		query := sleep
		if args != nil {
			query += " WHERE id > ?"
		}
		id := one[int64](c, "SELECT CONNECTION_ID()")
		outcome := make(chan error)
		go func() {
			_, err := rowsErr(c, query, args...)
			outcome <- err
		}()
		seen := false
		for n := 0; n < 600 && !seen; n++ {
			time.Sleep(50 * time.Millisecond)
			seen = one[int64](other, "SELECT COUNT(*) FROM information_schema.processlist WHERE state = 'User sleep' AND info LIKE ?", sleep+"%") > 0
		}
		ok("the statement to kill is in the process list", seen, "nothing in 600 looks")
		began := time.Now()
		exec(other, fmt.Sprintf("KILL QUERY %d", id))
		fails("KILL QUERY by CONNECTION_ID()", <-outcome, 1317)
		ok("ends soon", time.Since(began) < 10*time.Second, time.Since(began))
		eq("afterwards", int64(2), one[int64](c, "SELECT COUNT(*) FROM "+table))
	}
	// A cancelled context closes the connection under a statement: the server's side must end as well.
	late, cancel := context.WithTimeout(ctx, 300*time.Millisecond)
	defer cancel()
	rows, err := c.QueryContext(late, "SELECT SLEEP(2), id FROM "+table)
	if err == nil {
		rows.Next()
		err = rows.Err()
		rows.Close()
	}
	ok("a cancelled statement", errors.Is(err, context.DeadlineExceeded), err)
	eq("others are not disturbed", int64(2), one[int64](other, "SELECT COUNT(*) FROM "+table))
	c.Close()
	db.Close()
	exec(other, "SET SESSION lock_wait_timeout = 60")
	drop(otherDB, other, table)
	return "by CONNECTION_ID(): the driver hides the greeting's id"
}

func prepareCycles() string {
	db, c := connect(nil)
	for n := range 1000 {
		statement, err := c.PrepareContext(ctx, fmt.Sprintf("SELECT ? + %d", n))
		check("prepare", err)
		var got int
		check("execute", statement.QueryRow(7).Scan(&got))
		eq(fmt.Sprintf("cycle %d", n), n+7, got)
		check("close", statement.Close())
	}
	var open []*sql.Stmt
	for n := range 100 {
		statement, err := c.PrepareContext(ctx, fmt.Sprintf("SELECT %d + ?", n))
		check("prepare", err)
		open = append(open, statement)
	}
	for n := 99; n >= 0; n-- {
		var got int
		check("execute", open[n].QueryRow(1000).Scan(&got))
		eq("100 statements open at once", n+1000, got)
	}
	c.Close()
	db.Close()
	return ""
}

func empty() string {
	db, c := connect(nil)
	table := fresh(c, "empty", "id INT, s VARCHAR(10)")
	for _, args := range [][]any{nil, {1}} {
		where := ""
		if args != nil {
			where = " WHERE 1 = ?"
		}
		rows, err := c.QueryContext(ctx, "SELECT * FROM "+table+where, args...)
		check("query", err)
		columns, _ := rows.Columns()
		eq("columns", []string{"id", "s"}, columns)
		ok("no rows", !rows.Next(), nil)
		check("no error", rows.Err())
		rows.Close()
		got, err := rowsErr(c, "SELECT '', NULL FROM (SELECT 1) t"+where, args...)
		check("empty and NULL", err)
		eq("empty and NULL", [][]any{{[]byte{}, nil}}, got)
		list := make([]string, 500)
		for n := range list {
			list[n] = fmt.Sprintf("%d AS c%d", n, n)
		}
		wide, err := rowsErr(c, "SELECT "+strings.Join(list, ", ")+" FROM (SELECT 1) t"+where, args...)
		check("500 columns", err)
		eq("500 columns", 500, len(wide[0]))
		eq("the last", "499", plain("", wide[0][499]))
	}
	eq("sql.ErrNoRows", sql.ErrNoRows, c.QueryRowContext(ctx, "SELECT id FROM "+table+" WHERE id = ?", 1).Scan(new(int)))
	exec(c, "DO 1")
	drop(db, c, table)
	return ""
}
