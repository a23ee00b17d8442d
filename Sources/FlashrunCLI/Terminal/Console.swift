internal import Glibc
internal import Synchronization

/// Standard error: notices, warnings, progress and the footer, never a result.
///
/// `--quiet` silences all but errors; `--log-file` keeps every line, quiet or not. Colour and
/// progress bars appear only on a terminal and without `NO_COLOR`.
package final class Console: Sendable {
  /// Whether the bar of `ProgressReporter` can be drawn and redrawn.
  let isTerminal: Bool
  let isQuiet: Bool
  let isVerbose: Bool
  private let hasColor: Bool
  private let logDescriptor: Int32?
  private let logFile: String?
  /// Whether it was said that the log cannot be written; once is enough.
  private let logHasFailed = Mutex(false)
  /// Whether the cursor stands behind a progress bar; of the process, as the terminal is.
  private static let barIsDrawn = Mutex(false)

  /// - Throws: `Failure` when the log file cannot be opened.
  package init(
    isQuiet: Bool = false, isVerbose: Bool = false, logFile: String? = nil
  ) throws(Failure) {
    isTerminal = isatty(STDERR_FILENO) == 1
    self.logFile = logFile
    self.isQuiet = isQuiet
    self.isVerbose = isVerbose
    hasColor = isTerminal && Environment.value("NO_COLOR", emptyIsNil: true) == nil
    guard let logFile else {
      logDescriptor = nil
      return
    }
    let descriptor = unsafe open(logFile, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0o644)
    guard descriptor >= 0 else { throw FileInput.failure(errno, opening: logFile) }
    logDescriptor = descriptor
  }

  /// What a user may want to know.
  package func notice(_ text: String) { line(text, color: nil, always: false) }

  /// What only `-v` shows.
  func detail(_ text: String) {
    if isVerbose { notice(text) }
  }

  func warning(_ text: String) { line("Warning: " + text, color: "33", always: false) }

  /// What `--stats` asked for, shown even when quiet.
  func statistics(_ text: String) { line(text, color: nil, always: true) }

  /// Shown even when quiet: a silent failure helps nobody.
  func error(_ text: String) { line("Error: " + text, color: "31", always: true) }

  /// Redraws the bar; only on a terminal.
  func drawBar(_ text: String) {
    guard isTerminal, !isQuiet else { return }
    Self.barIsDrawn.withLock { isDrawn in
      isDrawn = true
      Self.write("\r\u{1B}[K" + text, to: STDERR_FILENO)
    }
  }

  /// Removes the bar.
  func clearBar() {
    Self.barIsDrawn.withLock { isDrawn in
      if isDrawn { Self.write("\r\u{1B}[K", to: STDERR_FILENO) }
      isDrawn = false
    }
  }

  private func line(_ text: String, color: String?, always: Bool) {
    log(text)
    guard always || !isQuiet else { return }
    let colored = if hasColor, let color { "\u{1B}[\(color)m\(text)\u{1B}[0m" } else { text }
    clearBar()
    Self.write(colored + "\n", to: STDERR_FILENO)
  }

  private func log(_ text: String) {
    guard let logDescriptor, let logFile else { return }
    let code = Output.write(Array((text + "\n").utf8), to: logDescriptor)
    let isFirst = logHasFailed.withLock { hasFailed in
      defer { hasFailed = hasFailed || code != 0 }
      return !hasFailed
    }
    guard code != 0, isFirst else { return }
    clearBar()
    Self.write(
      "Warning: \(logFile) cannot be written: \(FileInput.text(of: code))\n", to: STDERR_FILENO)
  }

  /// Best effort: there is nowhere to say that standard error cannot be written.
  private static func write(_ text: String, to descriptor: Int32) {
    _ = Output.write(Array(text.utf8), to: descriptor)
  }
}
