# Perl's DBD::mysql and DBD::MariaDB: `probe.pl mysql|MariaDB`. README.md of the folder above has the protocol.

use strict;
use warnings;
use DBI;

my $driver = $ARGV[0];
my $prefix = lc $driver;

# Only if TLS is optional, DBD::mysql encrypts with MariaDB's library at all, and DBD::MariaDB without a check of the
# certificate.
sub channel {
    my ($tls, $ca) = @_;
    return '' if $tls eq 'none';
    my $optional = $prefix eq 'mysql' || $tls eq 'required' ? ";${prefix}_ssl_optional=1" : '';
    return ";${prefix}_ssl=1$optional" if $tls eq 'required';
    return ";${prefix}_ssl=1;${prefix}_ssl_ca_file=$ca;${prefix}_ssl_verify_server_cert=1$optional";
}

sub login {
    my ($host, $port, $user, $password, $tls, $ca, $row, $value) = @_;
    my $source = "DBI:$driver:database=test;host=$host;port=$port;${prefix}_connect_timeout=10" . channel($tls, $ca);
    my $connection = DBI->connect($source, $user, $password, { RaiseError => 1, PrintError => 0, AutoCommit => 1 });
    my ($who) = $connection->selectrow_array('SELECT CURRENT_USER()');
    $connection->do("REPLACE INTO logins VALUES ('$row', '$value')");
    my ($read) = $connection->selectrow_array("SELECT value FROM logins WHERE id = '$row'");
    $connection->disconnect;
    return ($who, $read);
}

$| = 1;
eval "require DBD::$driver" or die $@;
{
    no strict 'refs';
    print ${"DBD::${driver}::VERSION"}, "\n";
}
while (my $line = <STDIN>) {
    chomp $line;
    my @answer = eval { ('ok', login(split /\t/, $line, -1)) };
    if (my $text = $@) {
        $text =~ s/\s+/ /g;
        @answer = ('error', $DBI::err || 'no number', $text);
    }
    print join("\t", @answer), "\n";
}
