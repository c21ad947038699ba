// Command matrix logs in as the lines of its standard input say: see matrix/README.md of the folder above.
package main

import (
	"bufio"
	"context"
	"crypto/tls"
	"crypto/x509"
	"database/sql"
	"errors"
	"fmt"
	"net"
	"os"
	"runtime/debug"
	"strings"
	"time"

	"github.com/go-sql-driver/mysql"
)

// silent keeps the driver's own log away from the report.
type silent struct{}

func (silent) Print(...any) {}

// channel returns the TLS settings: no check of the certificate, or a check with the CA alone.
func channel(mode, host, ca string) (*tls.Config, error) {
	switch mode {
	case "none":
		return nil, nil
	case "required":
		return &tls.Config{InsecureSkipVerify: true}, nil
	}
	pem, err := os.ReadFile(ca)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(pem)
	return &tls.Config{RootCAs: roots, ServerName: host}, nil
}

func login(cell []string) (string, string, error) {
	host, port, user, password, mode, ca, row, value := cell[0], cell[1], cell[2], cell[3], cell[4], cell[5], cell[6], cell[7]
	c := mysql.NewConfig()
	c.User, c.Passwd, c.Net, c.Addr, c.DBName = user, password, "tcp", net.JoinHostPort(host, port), "test"
	c.Timeout = 10 * time.Second
	c.Logger = silent{}
	var err error
	if c.TLS, err = channel(mode, host, ca); err != nil {
		return "", "", err
	}
	connector, err := mysql.NewConnector(c)
	if err != nil {
		return "", "", err
	}
	db := sql.OpenDB(connector)
	defer db.Close()
	ctx := context.Background()
	conn, err := db.Conn(ctx)
	if err != nil {
		return "", "", err
	}
	defer conn.Close()
	var who, read string
	if err := conn.QueryRowContext(ctx, "SELECT CURRENT_USER()").Scan(&who); err != nil {
		return "", "", err
	}
	if _, err := conn.ExecContext(ctx, fmt.Sprintf("REPLACE INTO logins VALUES ('%s', '%s')", row, value)); err != nil {
		return "", "", err
	}
	err = conn.QueryRowContext(ctx, fmt.Sprintf("SELECT value FROM logins WHERE id = '%s'", row)).Scan(&read)
	return who, read, err
}

// code returns the error's number or, for an error of the driver itself, its name.
func code(err error) string {
	var server *mysql.MySQLError
	if errors.As(err, &server) {
		return fmt.Sprint(server.Number)
	}
	names := map[string]error{
		"ErrNoTLS": mysql.ErrNoTLS, "ErrUnknownPlugin": mysql.ErrUnknownPlugin, "ErrNativePassword": mysql.ErrNativePassword,
		"ErrInvalidConn": mysql.ErrInvalidConn, "ErrMalformPkt": mysql.ErrMalformPkt,
	}
	for name, known := range names {
		if errors.Is(err, known) {
			return name
		}
	}
	return strings.TrimPrefix(fmt.Sprintf("%T", err), "*")
}

func version() string {
	info, _ := debug.ReadBuildInfo()
	for _, module := range info.Deps {
		if module.Path == "github.com/go-sql-driver/mysql" {
			return strings.TrimPrefix(module.Version, "v")
		}
	}
	return "?"
}

func main() {
	fmt.Println(version())
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		who, read, err := login(strings.Split(lines.Text(), "\t"))
		if err != nil {
			fmt.Printf("error\t%s\t%s\n", code(err), strings.Join(strings.Fields(err.Error()), " "))
		} else {
			fmt.Printf("ok\t%s\t%s\n", who, read)
		}
	}
}
