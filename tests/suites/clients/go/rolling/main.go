// Workers on database/sql with go-sql-driver/mysql while proxies are restarted: every error is the application's to
// see, nothing is tried again here. Ends when its standard input does.
package main

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"math/rand"
	"net"
	"os"
	"sync"
	"time"

	"github.com/go-sql-driver/mysql"
)

const name, table = "go", "rolling_go"

// How long workers wait between two units of work: as in tests/suites/clients/java's Rolling.
var thinks = []struct {
	name     string
	workers  int
	from, to time.Duration
}{
	{"none", 2, 0, 0},
	{"5-50ms", 6, 5 * time.Millisecond, 50 * time.Millisecond},
	{"200-900ms", 6, 200 * time.Millisecond, 900 * time.Millisecond},
	{"1-4s", 6, time.Second, 4 * time.Second},
}

type silent struct{}

func (silent) Print(...any) {}

var stop = make(chan struct{})

func must(err error) {
	if err != nil {
		fmt.Printf("FAIL %s rolling %v\n", name, err)
		os.Exit(1)
	}
}

func open() *sql.DB {
	c := mysql.NewConfig()
	c.User, c.Passwd, c.DBName = os.Getenv("PM_USER"), os.Getenv("PM_PASSWORD"), os.Getenv("PM_DATABASE")
	c.Net, c.Addr, c.Logger = "tcp", net.JoinHostPort(os.Getenv("PM_HOST"), os.Getenv("PM_PORT")), silent{}
	connector, err := mysql.NewConnector(c)
	must(err)
	db := sql.OpenDB(connector)
	db.SetMaxOpenConns(20)
	db.SetMaxIdleConns(20)
	return db
}

type worker struct {
	db         *sql.DB
	id, next   int
	insert     *sql.Stmt
	statements int
	failed     int
	// Rows that must be there, and those whose statement failed.
	written, unknown map[int]bool
	pending          []int
}

func (w *worker) row() int {
	w.next++
	w.pending = append(w.pending, w.next)
	return w.next
}

func (w *worker) text() error {
	w.statements++
	_, err := w.db.Exec(fmt.Sprintf("INSERT INTO %s VALUES (%d, %d)", table, w.id, w.row()))
	return err
}

func (w *worker) read() error {
	w.statements++
	return w.rows(w.db.Query(fmt.Sprintf("SELECT n FROM %s WHERE worker = %d ORDER BY n DESC LIMIT 3", table, w.id)))
}

func (w *worker) parameters() error {
	w.statements++
	return w.rows(w.db.Query("SELECT n FROM "+table+" WHERE worker = ? ORDER BY n LIMIT 3", w.id))
}

func (w *worker) rows(rows *sql.Rows, err error) error {
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
	}
	return rows.Err()
}

func (w *worker) prepared() error {
	w.statements++
	_, err := w.insert.Exec(w.id, w.row())
	return err
}

func (w *worker) transaction() error {
	w.statements += 5
	tx, err := w.db.Begin()
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if _, err := tx.Exec("INSERT INTO "+table+" VALUES (?, ?)", w.id, w.row()); err != nil {
		return err
	}
	time.Sleep(time.Duration(rand.Intn(5)) * time.Millisecond)
	if err := w.rows(tx.Query(fmt.Sprintf("SELECT n FROM %s WHERE worker = %d LIMIT 2", table, w.id))); err != nil {
		return err
	}
	if _, err := tx.Exec(fmt.Sprintf("INSERT INTO %s VALUES (%d, %d)", table, w.id, w.row())); err != nil {
		return err
	}
	return tx.Commit()
}

func (w *worker) isolated() error {
	w.statements += 4
	tx, err := w.db.BeginTx(context.Background(), &sql.TxOptions{Isolation: sql.LevelReadCommitted})
	if err != nil {
		return err
	}
	defer tx.Rollback()
	if err := w.rows(tx.Query("SELECT n FROM "+table+" WHERE worker = ? LIMIT 2", w.id)); err != nil {
		return err
	}
	return tx.Commit()
}

func (w *worker) work(think string, from, to time.Duration) {
	units := map[string]func() error{
		"text": w.text, "read": w.read, "parameters": w.parameters, "prepared": w.prepared,
		"transaction": w.transaction, "isolated": w.isolated,
	}
	names := []string{"text", "read", "parameters", "prepared", "transaction", "isolated"}
	for {
		unit := names[rand.Intn(len(names))]
		w.pending = nil
		err := units[unit]()
		if err != nil {
			w.failed++
			fmt.Printf("failed %s %s %s %s: %v\n", name, think, time.Now().Format("15:04:05.000"), unit, err)
		}
		for _, n := range w.pending {
			if err == nil {
				w.written[n] = true
			} else {
				w.unknown[n] = true
			}
		}
		pause := from + time.Duration(rand.Int63n(int64(to-from)+1))
		select {
		case <-stop:
			return
		case <-time.After(pause):
		}
	}
}

// check compares the table with what the workers were told.
func check(db *sql.DB, workers []*worker) {
	there := map[[2]int]bool{}
	tx, err := db.Begin() // on the primary
	must(err)
	rows, err := tx.Query("SELECT worker, n FROM " + table)
	must(err)
	for rows.Next() {
		var key [2]int
		must(rows.Scan(&key[0], &key[1]))
		there[key] = true
	}
	must(rows.Err())
	must(tx.Commit())
	missing, expected, unknown := 0, 0, 0
	for _, w := range workers {
		for n := range w.written {
			expected++
			if !there[[2]int{w.id, n}] {
				missing++
			}
		}
		for n := range w.unknown {
			if there[[2]int{w.id, n}] {
				unknown++
			}
		}
	}
	if missing > 0 || len(there) != expected+unknown {
		fmt.Printf("FAIL %s rows %d there, %d acknowledged, of which %d are missing, %d of failed statements\n",
			name, len(there), expected, missing, unknown)
	} else {
		fmt.Printf("ok %s rows %d\n", name, len(there))
	}
}

func main() {
	db := open()
	for _, sql := range []string{"DROP TABLE IF EXISTS " + table, "CREATE TABLE " + table + " (worker INT, n INT, PRIMARY KEY (worker, n))"} {
		_, err := db.Exec(sql)
		must(err)
	}
	time.Sleep(time.Second) // the replicas have it, too
	var workers []*worker
	var running sync.WaitGroup
	begun := map[string][]*worker{}
	for _, think := range thinks {
		for range think.workers {
			insert, err := db.Prepare("INSERT INTO " + table + " VALUES (?, ?)")
			must(err)
			w := &worker{db: db, id: len(workers), insert: insert, written: map[int]bool{}, unknown: map[int]bool{}}
			workers, begun[think.name] = append(workers, w), append(begun[think.name], w)
			running.Add(1)
			go func() {
				defer running.Done()
				w.work(think.name, think.from, think.to)
			}()
		}
	}
	fmt.Println("ready")
	io.Copy(io.Discard, os.Stdin)
	close(stop)
	running.Wait()
	for _, think := range thinks {
		statements, failed := 0, 0
		for _, w := range begun[think.name] {
			statements, failed = statements+w.statements, failed+w.failed
		}
		verdict := "ok"
		if failed > 0 {
			verdict = "FAIL"
		}
		fmt.Printf("%s %s think_%s %d statements, %d failed\n", verdict, name, think.name, statements, failed)
	}
	check(db, workers)
}
