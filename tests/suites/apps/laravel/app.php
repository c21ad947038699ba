<?php

// The shop on Laravel's Eloquent and its migrations, with PDO.
// usage: app.php laravel|laravel_emulated   the second lets PDO put the values into the text

require 'Illuminate/Database/autoload.php';
require 'Illuminate/Filesystem/autoload.php';
require 'Illuminate/Events/autoload.php';
require __DIR__ . '/harness.php';

use Illuminate\Container\Container;
use Illuminate\Database\Capsule\Manager as DB;
use Illuminate\Database\Eloquent\Model;
use Illuminate\Database\Eloquent\ModelNotFoundException;
use Illuminate\Database\Migrations\DatabaseMigrationRepository;
use Illuminate\Database\Migrations\Migrator;
use Illuminate\Database\QueryException;
use Illuminate\Filesystem\Filesystem;

class Customer extends Model
{
    protected $guarded = [];

    public function orders()
    {
        return $this->hasMany(Order::class);
    }
}

class Order extends Model
{
    protected $guarded = [];

    public function customer()
    {
        return $this->belongsTo(Customer::class);
    }

    public function lines()
    {
        return $this->hasMany(Line::class)->orderBy('quantity');
    }
}

class Line extends Model
{
    public $timestamps = false;
    protected $guarded = [];
}

class Counter extends Model
{
    public $timestamps = false;
    public $incrementing = false;
    protected $primaryKey = 'name';
    protected $guarded = [];
}

$name = $argv[1];
$db = new DB();
$db->addConnection([
    'driver' => 'mysql',
    'host' => setting('PM_HOST', '127.0.0.1'),
    'port' => setting('PM_RW', '3306'),
    'username' => setting('PM_USER', 'app'),
    'password' => setting('PM_PASSWORD', 'app'),
    'database' => setting('PM_DATABASE', 'sbtest'),
    'charset' => 'utf8mb4',
    'collation' => 'utf8mb4_unicode_ci',
    'strict' => true,
    'options' => $name === 'laravel_emulated' ? [PDO::ATTR_EMULATE_PREPARES => true] : [],
]);
$db->setAsGlobal();
$db->bootEloquent();

function code(Throwable $error): int
{
    return (int) $error->errorInfo[1];
}

function migrate(): void
{
    Container::getInstance()->instance('db', $GLOBALS['db']->getDatabaseManager());
    $repository = new DatabaseMigrationRepository($GLOBALS['db']->getDatabaseManager(), 'migrations');
    $repository->createRepository();
    $migrator = new Migrator($repository, $GLOBALS['db']->getDatabaseManager(), new Filesystem());
    $path = [__DIR__ . '/migrations'];
    equal('migrations', 3, count($migrator->run($path)));
    equal('rolled back', 3, count($migrator->rollback($path)));
    equal('tables after the rollback', false, DB::schema()->hasTable('orders'));
    equal('migrations again', 3, count($migrator->run($path)));
    equal('left to do', 0, count($migrator->run($path)));
    equal('the added column', true, DB::schema()->hasColumn('orders', 'note'));
}

function create(): void
{
    $ann = Customer::create(['email' => 'ann@example.com', 'name' => 'Ann Ö. 🙂']);
    $order = $ann->orders()->create(['total' => '12.50']);
    $order->lines()->create(['sku' => 'sku-1', 'quantity' => 2, 'price' => '6.25']);
    equal('firstOrCreate', $ann->id, Customer::firstOrCreate(['email' => 'ann@example.com'], ['name' => 'other'])->id);
}

function customer(string $email): Customer
{
    return Customer::where('email', $email)->firstOrFail();
}

function read_one(): void
{
    equal('name', 'Ann Ö. 🙂', customer('ann@example.com')->name);
    $order = Order::with('customer')->where('customer_id', customer('ann@example.com')->id)->first();
    equal('order', ['12.50', null, 'ann@example.com', 'new'], [$order->total, $order->note, $order->customer->email, $order->status]);
    fails('a missing one', ModelNotFoundException::class, fn () => customer('nobody@example.com'));
}

function unique(): void
{
    $error = fails('a second one', QueryException::class, fn () => Customer::create(['email' => 'ann@example.com', 'name' => 'x']));
    equal('its code', 1062, code($error));
}

function listing(): void
{
    $ann = customer('ann@example.com');
    for ($n = 0; $n < 25; $n++) {
        $ann->orders()->create(['total' => $n, 'status' => 'listed']);
    }
    $page = Order::join('customers', 'customers.id', '=', 'orders.customer_id')->where('customers.email', 'ann@example.com')
        ->where('status', 'listed')->orderByDesc('total')->limit(10)->offset(10)->pluck('total');
    equal('second page', range(14, 5), $page->map(fn ($total) => (int) $total)->all());
}

function update_tx(): void
{
    DB::transaction(function () {
        $order = Order::where('total', '12.50')->lockForUpdate()->firstOrFail();
        $order->update(['status' => 'paid']);
        equal('inside', 'paid', Order::find($order->id)->status);
        Order::where('status', 'listed')->increment('total', 100);
    });
    equal('after', 25, Order::where('status', 'listed')->where('total', '>=', 100)->count());
}

function optimistic(): void
{
    $order = Order::where('status', 'listed')->orderBy('id')->first();
    $change = fn () => Order::where('id', $order->id)->where('version', $order->version)->update(['version' => $order->version + 1]);
    equal('first and second', [1, 0], [$change(), $change()]);
}

function bump(): void
{
    DB::transaction(function () {
        $counter = Counter::lockForUpdate()->find('visits');
        $counter->update(['value' => $counter->value + 1]);
    });
}

function counter(): void
{
    Counter::create(['name' => 'visits']);
    for ($n = 0; $n < 5; $n++) {
        bump();
    }
    equal('value', 5, Counter::find('visits')->value);
}

// A child's own connection; the parent's stays open in the parent.
function own_connection(): void
{
    $GLOBALS['parent'] = DB::connection()->getPdo();
    DB::connection()->setPdo(null)->setReadPdo(null)->reconnect();
}

function concurrent(): void
{
    together('own_connection', function () {
        for ($n = 0; $n < 20; $n++) {
            bump();
        }
    });
    equal('value', 5 + 20 * PROCESSES, Counter::find('visits')->value);
}

function rollback(): void
{
    fails('the transaction', DomainException::class, fn () => DB::transaction(function () {
        Customer::create(['email' => 'lost@example.com', 'name' => 'Lost']);
        throw new DomainException('on purpose');
    }));
    equal('rolled back', false, Customer::where('email', 'lost@example.com')->exists());
    DB::transaction(function () {
        Customer::create(['email' => 'kept@example.com', 'name' => 'Kept']);
        fails('a duplicate in a savepoint', QueryException::class, fn () => DB::transaction(
            fn () => Customer::create(['email' => 'ann@example.com', 'name' => 'x'])
        ));
    });
    equal('kept', 1, Customer::where('email', 'kept@example.com')->count());
}

function read_your_writes(): void
{
    for ($n = 0; $n < 100; $n++) {
        $made = Customer::create(['email' => "w$n@example.com", 'name' => 'new']);
        equal('a row just made', 'new', Customer::find($made->id)->name);
        $made->update(['name' => "changed $n"]);
        equal('a row just changed', "changed $n", customer("w$n@example.com")->name);
        if ($n % 2) {
            $made->delete();
            equal('a row just deleted', false, Customer::where('email', "w$n@example.com")->exists());
        }
    }
}

function foreign_key(): void
{
    $error = fails('an order of nobody', QueryException::class, fn () => Order::create(['customer_id' => 987654321, 'total' => 1]));
    equal('its code', 1452, code($error));
    $error = fails('a customer with orders', QueryException::class, fn () => customer('ann@example.com')->delete());
    equal('its code', 1451, code($error));
}

function delete(): void
{
    equal('orders', 26, Order::where('customer_id', customer('ann@example.com')->id)->delete());
    equal('lines went with their orders', 0, Line::count());
    Customer::query()->delete();
    equal('left', 0, Customer::count());
}

function bulk_insert(): void
{
    DB::transaction(function () {
        Customer::insert(array_map(fn (int $i) => ['email' => "c$i@example.com", 'name' => "Customer $i"], range(1, CUSTOMERS)));
        foreach (Customer::pluck('id', 'email') as $email => $id) {
            $i = (int) substr($email, 1);
            $order = fn (int $j) => ['customer_id' => $id, 'status' => STATUSES[$j % 3], 'total' => total($i, $j)];
            Order::insert(array_map($order, range(1, 10)));
        }
        foreach (Order::pluck('id')->chunk(200) as $ids) {
            $lines = fn (int $id) => array_map(fn (int $n) => ['order_id' => $id, 'sku' => "sku-$n", 'quantity' => $n, 'price' => 1], [1, 2]);
            Line::insert($ids->flatMap($lines)->all());
        }
    });
    equal('rows', [500, 1000], [Order::count(), Line::count()]);
}

function reads(): void
{
    $ids = Customer::pluck('id', 'email')->all();
    $rounds = (int) setting('PM_ROUNDS', '60');
    phase('reads', $rounds * 9, fn () => together('own_connection', function (int $process) use ($ids, $rounds) {
        for ($k = $process; $k < $rounds; $k += PROCESSES) {
            read_round($k, $ids);
        }
    }));
}

function read_round(int $k, array $ids): void
{
    $i = $k % CUSTOMERS + 1;
    $email = "c$i@example.com";
    $status = STATUSES[$k % 3];
    equal('by id', "Customer $i", Customer::find($ids[$email])->name);
    $page = Order::with('customer')->where('status', 'paid')->orderByDesc('total')->limit(10)->offset($k % 5 * 10)->get();
    equal('page', paid_page($k % 5), $page->map(fn ($o) => "{$o->customer->name} {$o->total}")->all());
    equal('count', COUNTS[$status], Order::where('status', $status)->count());
    equal('exists', true, Customer::where('email', $email)->exists());
    $sum = Order::whereHas('customer', fn ($query) => $query->where('email', $email))->sum('total');
    equal('sum', $i * 100 + 60, (int) $sum);
    $groups = Order::selectRaw('status, COUNT(*) AS n')->groupBy('status')->orderBy('status')->pluck('n', 'status');
    equal('groups', COUNTS, $groups->map(fn ($n) => (int) $n)->all());
    $own = Customer::with('orders.lines')->where('email', $email)->firstOrFail();
    equal('lines', array_fill(0, 10, [1, 2]), $own->orders->map(fn ($o) => $o->lines->pluck('quantity')->all())->all());
}

run($name, [
    'migrate' => 'migrate', 'create' => 'create', 'read_one' => 'read_one', 'unique' => 'unique', 'list' => 'listing',
    'update_tx' => 'update_tx', 'optimistic' => 'optimistic', 'counter' => 'counter', 'concurrent' => 'concurrent',
    'rollback' => 'rollback', 'read_your_writes' => 'read_your_writes', 'foreign_key' => 'foreign_key', 'delete' => 'delete',
    'bulk_insert' => 'bulk_insert', 'reads' => 'reads',
]);
