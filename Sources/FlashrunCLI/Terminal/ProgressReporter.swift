internal import Synchronization

/// Shows how far long work is, with rate and time left: a bar on a terminal, otherwise a line every
/// few seconds.
package final class ProgressReporter: Sendable {
  /// What is counted, and how a number of it is written.
  package enum Unit: Sendable {
    case bytes
    case items(String)

    func text(_ count: Int) -> String {
      switch self {
      case .bytes: Units.bytes(count)
      case .items(let name): "\(count) \(name)"
      }
    }

    func rate(_ perSecond: Double) -> String {
      switch self {
      case .bytes: Units.bytes(Int(min(perSecond, 1e18))) + "/s"
      case .items(let name): Units.threeDigits(perSecond) + " \(name)/s"
      }
    }
  }

  private struct State {
    /// Where and when the first update found the work, so that what went before (making room,
    /// opening files) does not spoil the rate.
    var first: Mark?
    /// The rate counts from the older mark. They move on, so that it is that of the last third to
    /// two thirds of the time: later parts of some work take longer than the first.
    var older: Mark?
    var newer: Mark?
    var lastShown: ContinuousClock.Instant
  }

  private struct Mark {
    var time: ContinuousClock.Instant
    var done: Int
  }

  private let console: Console
  private let label: String
  private let unit: Unit
  private let state: Mutex<State>

  package init(_ label: String, unit: Unit, console: Console) {
    self.console = console
    self.label = label
    self.unit = unit
    state = Mutex(State(first: nil, lastShown: .now))
  }

  /// Cheap to call often: it draws ten times a second, or writes every five seconds.
  package func update(_ done: Int, of total: Int) {
    let now = ContinuousClock.now
    let pause: Duration = console.isTerminal ? .milliseconds(100) : .seconds(5)
    let rate: Double?? = state.withLock { state in
      let mark = Mark(time: now, done: done)
      let first = state.first ?? mark
      state.first = first
      guard now - state.lastShown >= pause else { return nil }
      state.lastShown = now
      let newer = state.newer ?? first
      if (now - newer.time) * 3 >= now - first.time {
        state.older = newer
        state.newer = mark
      }
      let older = state.older ?? first
      let seconds = (now - older.time) / .seconds(1)
      return .some(done > older.done ? Double(done - older.done) / seconds : nil)
    }
    guard let rate else { return }
    let text = Self.text(label: label, unit: unit, done: done, total: total, rate: rate)
    if console.isTerminal {
      console.drawBar(Self.bar(done: done, total: total) + " " + text)
    } else {
      console.notice(text)
    }
  }

  /// Takes the bar away.
  package func finish() { console.clearBar() }

  /// `convert: 1.20 GiB of 3.02 GiB (39%), 512 MiB/s, 4 s left`.
  ///
  /// - Parameter rate: a second; nil while it is unknown.
  package static func text(
    label: String, unit: Unit, done: Int, total: Int, rate: Double?
  ) -> String {
    var text = "\(label): \(unit.text(done)) of \(unit.text(total))"
    if total > 0 { text += " (\(done * 100 / total)%)" }
    guard let rate, rate > 0 else { return text }
    let left = Units.duration(seconds: Double(max(0, total - done)) / rate)
    return text + ", \(unit.rate(rate)), \(left) left"
  }

  private static func bar(done: Int, total: Int) -> String {
    let width = 20
    let filled = total > 0 ? min(width, done * width / total) : 0
    return "[" + String(repeating: "=", count: filled)
      + String(repeating: " ", count: width - filled) + "]"
  }
}
