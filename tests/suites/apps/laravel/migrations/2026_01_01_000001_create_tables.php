<?php

use Illuminate\Database\Capsule\Manager as DB;
use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;

// The tables.
return new class extends Migration {
    public function up()
    {
        $schema = DB::schema();
        $schema->create('customers', function (Blueprint $table) {
            $table->id();
            $table->string('email', 120)->unique();
            $table->string('name', 120);
            $table->timestamps();
        });
        $schema->create('orders', function (Blueprint $table) {
            $table->id();
            $table->foreignId('customer_id')->constrained();
            $table->string('status', 20)->default('new');
            $table->decimal('total', 10, 2);
            $table->integer('version')->default(0);
            $table->timestamps();
        });
        $schema->create('lines', function (Blueprint $table) {
            $table->id();
            $table->foreignId('order_id')->constrained()->cascadeOnDelete();
            $table->string('sku', 40);
            $table->integer('quantity');
            $table->decimal('price', 10, 2);
        });
        $schema->create('counters', function (Blueprint $table) {
            $table->string('name', 40)->primary();
            $table->integer('value')->default(0);
        });
    }

    public function down()
    {
        foreach (['counters', 'lines', 'orders', 'customers'] as $table) {
            DB::schema()->drop($table);
        }
    }
};
