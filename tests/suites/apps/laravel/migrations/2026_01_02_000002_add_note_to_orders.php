<?php

use Illuminate\Database\Capsule\Manager as DB;
use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;

// A column, with values in the rows that are there.
return new class extends Migration {
    public function up()
    {
        DB::schema()->table('orders', fn (Blueprint $table) => $table->string('note', 200)->nullable());
        DB::table('orders')->whereNull('note')->update(['note' => 'none']);
    }

    public function down()
    {
        DB::schema()->table('orders', fn (Blueprint $table) => $table->dropColumn('note'));
    }
};
