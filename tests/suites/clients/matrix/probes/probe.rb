# Ruby's mysql2: `probe.rb`. README.md of the folder above has the protocol.

require 'mysql2'

# With MariaDB's library the driver ignores ssl_mode: it encrypts if it has a file of TLS.
def channel(tls, ca)
  case tls
  when 'none' then { ssl_mode: :disabled }
  when 'required' then { ssl_mode: :required, sslca: ca, sslverify: false }
  else { ssl_mode: :verify_identity, sslca: ca, sslverify: true }
  end
end

def login(host, port, user, password, tls, ca, row, value)
  client = Mysql2::Client.new(host: host, port: port.to_i, username: user, password: password, database: 'test',
                              connect_timeout: 10, **channel(tls, ca))
  who = client.query('SELECT CURRENT_USER()', as: :array).first[0]
  client.query("REPLACE INTO logins VALUES ('#{row}', '#{value}')")
  read = client.query("SELECT value FROM logins WHERE id = '#{row}'", as: :array).first[0]
  client.close
  [who, read]
end

$stdout.sync = true
puts "#{Mysql2::VERSION} (MariaDB Connector/C #{Mysql2::Client.info[:version]})"
while (line = $stdin.gets)
  begin
    answer = ['ok', *login(*line.chomp.split("\t", -1))]
  rescue StandardError => error
    number = error.respond_to?(:error_number) ? error.error_number : nil
    answer = ['error', number.to_i.positive? ? number : error.class, error.message.gsub(/\s+/, ' ')]
  end
  puts answer.join("\t")
end
