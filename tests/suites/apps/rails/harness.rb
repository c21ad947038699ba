# One line per check, phases with their times, and the numbers that the reads must find.
module Harness
  THREADS = 4
  ROUNDS = Integer(ENV.fetch("PM_ROUNDS", "60"))
  STRONG = ENV.fetch("PM_CONSISTENCY", "session") == "strong" # else only what a session wrote itself is sure to be in its reads
  CUSTOMERS = 50
  STATUSES = %w[new paid sent].freeze
  COUNTS = { "new" => 150, "paid" => 200, "sent" => 150 }.freeze

  module_function

  # What order j (1 … 10) of customer i (1 … 50) costs.
  def total(i, j) = BigDecimal("#{i * 10 + j}.5")

  # Ten [customer's name, total] of the paid orders, dearest first.
  def paid_page(page)
    (page * 10...page * 10 + 10).map { |place| ["Customer #{50 - place / 4}", total(50 - place / 4, [10, 7, 4, 1][place % 4])] }
  end

  def equal(what, want, got)
    raise "#{what}: expected #{want.inspect}, got #{got.inspect}" unless want == got
  end

  # The block must raise an error of this class; it comes back.
  def fails(what, kind)
    result = yield
  rescue kind => error
    error
  else
    raise "#{what}: expected #{kind}, got #{result.inspect}"
  end

  # Returns when the replicas have all writes and the proxy knows.
  def catch_up
    raise "the replicas did not catch up" unless system(ENV.fetch("PM_CATCH_UP", "sleep 1.5"))
  end

  def together
    Array.new(THREADS) { |n| Thread.new { Thread.current.report_on_exception = false; yield n } }.each(&:join)
    catch_up unless STRONG # what follows may be another session
  end

  def phase(name, reads)
    catch_up
    began = Time.now.to_f
    yield
    ended = Time.now.to_f
    sleep 0.05
    puts format("phase %s %.6f %.6f %d", name, began, ended, reads)
  end

  # Runs the checks in their order and ends the process.
  def run(app, checks)
    failed = false
    checks.each do |name, check|
      began = Process.clock_gettime(Process::CLOCK_MONOTONIC, :millisecond)
      check.call
      puts "ok #{app} #{name} #{Process.clock_gettime(Process::CLOCK_MONOTONIC, :millisecond) - began}ms"
    rescue StandardError => error
      failed = true
      warn error.full_message if ENV["PM_VERBOSE"]
      puts "FAIL #{app} #{name} #{error.class}: #{error.message.split.join(' ')[0, 400]}"
    end
    exit failed ? 1 : 0
  end
end
