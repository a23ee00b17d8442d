/// The exit codes of every command, after `sysexits.h` and the shell's habit for signals.
package enum ExitStatus: Int32, CaseIterable, Sendable {
  case success = 0
  case failure = 1
  case doesNotFit = 3
  case usage = 64
  case badData = 65
  case noInput = 66
  case unavailable = 69
  case inputOutput = 74
  case notPermitted = 77
  case interrupted = 130
  case terminated = 143

  package var meaning: String {
    switch self {
    case .success: "ok"
    case .failure: "failed"
    case .doesNotFit: "does not fit the memory limit"
    case .usage: "wrong usage"
    case .badData: "bad model data"
    case .noInput: "no such input"
    case .unavailable: "unavailable: planned and not built yet, or not in this CPU"
    case .inputOutput: "I/O error"
    case .notPermitted: "an engine that was asked for is not permitted here"
    case .interrupted: "stopped by Ctrl-C"
    case .terminated: "stopped by SIGTERM"
    }
  }

  /// The table for `--help` and the manual.
  package static var table: String {
    "EXIT CODES:\n"
      + allCases.map { status in
        let code = String(status.rawValue)
        return String(repeating: " ", count: 5 - code.count) + code + "  " + status.meaning
      }.joined(separator: "\n")
  }
}
