<?php

use Illuminate\Database\Capsule\Manager as DB;
use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;

// An index.
return new class extends Migration {
    public function up()
    {
        DB::schema()->table('orders', fn (Blueprint $table) => $table->index(['status', 'created_at'], 'orders_by_status'));
    }

    public function down()
    {
        DB::schema()->table('orders', fn (Blueprint $table) => $table->dropIndex('orders_by_status'));
    }
};
