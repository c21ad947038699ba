<?php
// PHP's mysqli and PDO: `probe.php DRIVER`. README.md of the folder above has the protocol.

mysqli_report(MYSQLI_REPORT_ERROR | MYSQLI_REPORT_STRICT);
error_reporting(0);

function over_mysqli($host, $port, $user, $password, $tls, $ca, $row, $value) {
    $connection = mysqli_init();
    $connection->options(MYSQLI_OPT_CONNECT_TIMEOUT, 10);
    $flags = 0;
    if ($tls !== 'none') {
        $connection->ssl_set(null, null, $tls === 'verify' ? $ca : null, null, null);
        $flags = MYSQLI_CLIENT_SSL | ($tls === 'verify' ? 0 : MYSQLI_CLIENT_SSL_DONT_VERIFY_SERVER_CERT);
    }
    $connection->real_connect($host, $user, $password, 'test', (int) $port, null, $flags);
    $who = $connection->query('SELECT CURRENT_USER()')->fetch_row()[0];
    $connection->query("REPLACE INTO logins VALUES ('$row', '$value')");
    $read = $connection->query("SELECT value FROM logins WHERE id = '$row'")->fetch_row()[0];
    $connection->close();
    return [$who, $read];
}

function over_pdo($host, $port, $user, $password, $tls, $ca, $row, $value) {
    $options = [PDO::ATTR_ERRMODE => PDO::ERRMODE_EXCEPTION, PDO::ATTR_TIMEOUT => 10];
    if ($tls === 'verify') {
        $options += [PDO::MYSQL_ATTR_SSL_CA => $ca, PDO::MYSQL_ATTR_SSL_VERIFY_SERVER_CERT => true];
    } elseif ($tls === 'required') {
        // PDO has no option that only asks for TLS: any of its files does.
        $options += [PDO::MYSQL_ATTR_SSL_CA => $ca, PDO::MYSQL_ATTR_SSL_VERIFY_SERVER_CERT => false];
    }
    $connection = new PDO("mysql:host=$host;port=$port;dbname=test", $user, $password, $options);
    $who = $connection->query('SELECT CURRENT_USER()')->fetchColumn();
    $connection->exec("REPLACE INTO logins VALUES ('$row', '$value')");
    $read = $connection->query("SELECT value FROM logins WHERE id = '$row'")->fetchColumn();
    $connection = null;
    return [$who, $read];
}

// PDO has the number of a failed login as its code or, behind the login, in errorInfo.
function code($error) {
    $code = $error instanceof PDOException && isset($error->errorInfo[1]) ? $error->errorInfo[1] : $error->getCode();
    return $code ?: get_class($error);
}

echo PHP_VERSION, "\n";
while (($line = fgets(STDIN)) !== false) {
    $cell = explode("\t", rtrim($line, "\n"));
    try {
        $answer = ['ok', ...($argv[1] === 'pdo' ? over_pdo(...$cell) : over_mysqli(...$cell))];
    } catch (Throwable $error) {
        $answer = ['error', code($error), preg_replace('/\s+/', ' ', $error->getMessage())];
    }
    echo implode("\t", $answer), "\n";
}
