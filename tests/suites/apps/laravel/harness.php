<?php

// Settings from the environment, one line per check, phases with their times, and the numbers that the reads must find.

const PROCESSES = 4;
const CUSTOMERS = 50;
const STATUSES = ['new', 'paid', 'sent'];
const COUNTS = ['new' => 150, 'paid' => 200, 'sent' => 150];

function setting(string $name, string $otherwise): string
{
    return getenv($name) ?: $otherwise;
}

// What order $j (1 … 10) of customer $i (1 … 50) costs.
function total(int $i, int $j): string
{
    return ($i * 10 + $j) . '.50';
}

// Ten "customer total" of the paid orders, dearest first.
function paid_page(int $page): array
{
    return array_map(function (int $place) {
        $i = 50 - intdiv($place, 4);
        return "Customer $i " . total($i, [10, 7, 4, 1][$place % 4]);
    }, range($page * 10, $page * 10 + 9));
}

function equal(string $what, $want, $got): void
{
    if ($want !== $got) {
        throw new RuntimeException("$what: expected " . json_encode($want) . ', got ' . json_encode($got));
    }
}

// The call must throw an error of this class; it comes back.
function fails(string $what, string $kind, callable $call): Throwable
{
    try {
        $result = $call();
    } catch (Throwable $error) {
        if ($error instanceof $kind) {
            return $error;
        }
        throw $error;
    }
    throw new RuntimeException("$what: expected $kind, got " . json_encode($result));
}

// Returns when the replicas have all writes and the proxy knows.
function catch_up(): void
{
    exec('(' . setting('PM_CATCH_UP', 'sleep 1.5') . ') 2>&1', $said, $status);
    equal('replicas that did not catch up: ' . implode(' ', $said), 0, $status);
}

// Runs the work in several processes at once: PHP has no threads. $fresh gives each its own connection.
function together(callable $fresh, callable $work): void
{
    $children = [];
    for ($n = 0; $n < PROCESSES; $n++) {
        $child = pcntl_fork();
        if ($child === 0) {
            $status = 0;
            try {
                $fresh();
                $work($n);
            } catch (Throwable $error) {
                fwrite(STDERR, $error->getMessage() . "\n");
                $status = 1;
            }
            // Without destructors: the parent's connection, which this process has too, must not be closed.
            fflush(STDERR);
            posix_kill(getmypid(), $status ? SIGKILL : SIGTERM);
        }
        $children[] = $child;
    }
    $bad = 0;
    foreach ($children as $child) {
        pcntl_waitpid($child, $status);
        $bad += pcntl_wifsignaled($status) && pcntl_wtermsig($status) === SIGTERM ? 0 : 1;
    }
    equal('processes that failed', 0, $bad);
    if (setting('PM_CONSISTENCY', 'session') !== 'strong') {
        catch_up(); // only what a session wrote itself is sure to be in its reads
    }
}

function phase(string $name, int $reads, callable $work): void
{
    catch_up();
    $began = microtime(true);
    $work();
    $ended = microtime(true);
    usleep(50_000);
    printf("phase %s %.6f %.6f %d\n", $name, $began, $ended, $reads);
}

// Runs the checks in their order and ends the process.
function run(string $app, array $checks): void
{
    $failed = false;
    foreach ($checks as $name => $check) {
        $began = microtime(true);
        try {
            $check();
            printf("ok %s %s %dms\n", $app, $name, (microtime(true) - $began) * 1000);
        } catch (Throwable $error) {
            $failed = true;
            if (getenv('PM_VERBOSE')) {
                fwrite(STDERR, "$error\n");
            }
            printf("FAIL %s %s %s: %s\n", $app, $name, get_class($error), substr(preg_replace('/\s+/', ' ', $error->getMessage()), 0, 400));
        }
    }
    exit($failed ? 1 : 0);
}
