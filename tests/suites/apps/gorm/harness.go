package main

import (
	"fmt"
	"os"
	"os/exec"
	"reflect"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Settings from the environment, one line per check, phases with their times.

const (
	threads   = 4
	customers = 50
)

var (
	statuses = []string{"new", "paid", "sent"}
	counts   = map[string]int64{"new": 150, "paid": 200, "sent": 150}
	rounds   = func() int { n, _ := strconv.Atoi(env("PM_ROUNDS", "60")); return n }()
)

func env(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

// What order j (1 … 10) of customer i (1 … 50) costs.
func total(i, j int) float64 { return float64(i*10+j) + 0.5 }

// Ten "customer total" of the paid orders, dearest first.
func paidPage(page int) []string {
	var rows []string
	for p := page * 10; p < page*10+10; p++ {
		i := 50 - p/4
		rows = append(rows, fmt.Sprintf("Customer %d %.2f", i, total(i, []int{10, 7, 4, 1}[p%4])))
	}
	return rows
}

// equal fails the check by panic: run reports it.
func equal(what string, want, got any) {
	if !reflect.DeepEqual(want, got) {
		panic(fmt.Sprintf("%s: expected %v, got %v", what, want, got))
	}
}

func must(what string, err error) {
	if err != nil {
		panic(what + ": " + err.Error())
	}
}

// catchUp returns when the replicas have all writes and the proxy knows.
func catchUp() {
	said, err := exec.Command("sh", "-c", env("PM_CATCH_UP", "sleep 1.5")).CombinedOutput()
	must("the replicas did not catch up: "+string(said), err)
}

// together runs the work in several goroutines; the first failure is the check's.
func together(work func(thread int)) {
	var wait sync.WaitGroup
	failures := make([]any, threads)
	for n := 0; n < threads; n++ {
		wait.Add(1)
		go func() {
			defer wait.Done()
			defer func() { failures[n] = recover() }()
			work(n)
		}()
	}
	wait.Wait()
	if env("PM_CONSISTENCY", "session") != "strong" {
		catchUp() // only what a session wrote itself is sure to be in its reads
	}
	for _, failure := range failures {
		if failure != nil {
			panic(failure)
		}
	}
}

func phase(name string, reads int, work func()) {
	catchUp()
	began := time.Now()
	work()
	ended := time.Now()
	time.Sleep(50 * time.Millisecond)
	fmt.Printf("phase %s %.6f %.6f %d\n", name, float64(began.UnixMicro())/1e6, float64(ended.UnixMicro())/1e6, reads)
}

type check struct {
	name string
	run  func()
}

func report(app string, c check) (good bool) {
	began := time.Now()
	defer func() {
		if failure := recover(); failure != nil {
			fmt.Printf("FAIL %s %s %s\n", app, c.name, strings.Join(strings.Fields(fmt.Sprint(failure)), " "))
			return
		}
		fmt.Printf("ok %s %s %dms\n", app, c.name, time.Since(began).Milliseconds())
		good = true
	}()
	c.run()
	return
}
