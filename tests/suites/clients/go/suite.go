package main

// Checks with a reason, and one line per feature: the twin of pylib/suite.py.

import (
	"errors"
	"fmt"
	"hash/crc32"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

const mib = 1024 * 1024

// As in pylib/suite.py: statements and rows around the border of one packet.
var (
	edgeText = []int{0xffffff - 2, 0xffffff - 1, 0xffffff}
	edgeRow  = []int{0xffffff - 5, 0xffffff - 4, 0xffffff - 3, 0x1000000}
)

func setting(name, fallback string) string {
	if value := os.Getenv("PM_" + name); value != "" {
		return value
	}
	return fallback
}

var (
	host, port     = setting("HOST", "127.0.0.1"), setting("PORT", "3306")
	user, password = setting("USER", "app"), setting("PASSWORD", "app")
	database       = setting("DATABASE", "test")
	flavor         = setting("FLAVOR", "mariadb")
	loadFile       = setting("LOAD_FILE", "")
	shared         = setting("SHARED", "../shared")
)

type mismatch string
type skip string

// check ends the feature with its reason when err is not nil.
func check(what string, err error) {
	if err != nil {
		panic(mismatch(fmt.Sprintf("%s: %v", what, err)))
	}
}

func short(value any) string {
	text := fmt.Sprintf("%#v", value)
	if len(text) > 200 {
		return fmt.Sprintf("%s… (%d characters)", text[:200], len(text))
	}
	return text
}

func eq(what string, want, got any) {
	if !reflect.DeepEqual(want, got) {
		panic(mismatch(fmt.Sprintf("%s: expected %s, got %s", what, short(want), short(got))))
	}
}

func ok(what string, holds bool, got any) {
	if !holds {
		panic(mismatch(fmt.Sprintf("%s: does not hold, got %s", what, short(got))))
	}
}

// fails wants err to be a server's error with one of the codes.
func fails(what string, err error, codes ...uint16) *mysql.MySQLError {
	var server *mysql.MySQLError
	if errors.As(err, &server) {
		for _, code := range codes {
			if server.Number == code {
				return server
			}
		}
	}
	panic(mismatch(fmt.Sprintf("%s: expected error %v, got %v", what, codes, err)))
}

func sharedSQL(name, table string) string {
	text, err := os.ReadFile(filepath.Join(shared, name))
	check(name, err)
	return strings.ReplaceAll(strings.TrimSpace(string(text)), "{t}", table)
}

func pattern(size, seed int) []byte {
	out := make([]byte, size)
	for at := range out {
		out[at] = byte(at%4096*7 + seed)
	}
	for at := 0; at < size-8; at += 65536 {
		out[at], out[at+1], out[at+2] = byte(at>>16), byte(at>>8), byte(at)
	}
	return out
}

func letters(size int) string {
	var out strings.Builder
	for n := 0; out.Len() < size; n++ {
		fmt.Fprintf(&out, "%08dabcdefgh", n)
	}
	return out.String()[:size]
}

// big feeds on rows of shared/big.sql.
type big struct{ count, sum, crc int64 }

func (b *big) row(n int64, payload string) {
	b.count++
	b.sum += n
	b.crc += int64(crc32.ChecksumIEEE(fmt.Appendf(nil, "%d:%s", n, payload)))
}

func (b *big) check() {
	eq("rows, sum, checksum of the big result", big{200000, 19999900000, 429438619651349}, *b)
}

type feature struct {
	name string
	call func() string
}

var features []feature

func runOne(client string, f feature) (good bool) {
	began := time.Now()
	line := make(chan string, 1)
	go func() {
		defer func() {
			took := time.Since(began).Milliseconds()
			switch reason := recover().(type) {
			case nil:
			case skip:
				line <- fmt.Sprintf("skip %s %s %s", client, f.name, string(reason))
			default:
				text := strings.Join(strings.Fields(fmt.Sprint(reason)), " ")
				line <- fmt.Sprintf("FAIL %s %s %.600s [%dms]", client, f.name, text, took)
			}
		}()
		note := f.call()
		if note != "" {
			note = " (" + note + ")"
		}
		line <- fmt.Sprintf("ok %s %s %dms%s", client, f.name, time.Since(began).Milliseconds(), note)
	}()
	text := ""
	select {
	case text = <-line:
	case <-time.After(120 * time.Second):
		text = fmt.Sprintf("FAIL %s %s no end after 120 s", client, f.name)
	}
	fmt.Println(text)
	return !strings.HasPrefix(text, "FAIL")
}

func runAll(client string) {
	only := "," + os.Getenv("PM_FEATURES") + ","
	code := 0
	for _, f := range features {
		if (only == ",," || strings.Contains(only, ","+f.name+",")) && !runOne(client, f) {
			code = 1
		}
	}
	os.Exit(code)
}
