/// What one check of `doctor` found.
package struct Finding: Encodable, Sendable, Equatable {
  package enum Status: String, Encodable, Sendable, CaseIterable {
    case pass
    /// Runs are slower than they need be, or would be.
    case warn
    /// Runs are impossible.
    case fail
  }

  package var name: String
  package var status: Status
  /// What was found, a sentence without a full stop.
  package var summary: String
  /// What to do about it; nil where nothing is to be done.
  package var fix: String?

  package init(_ name: String, _ status: Status, _ summary: String, fix: String? = nil) {
    self.name = name
    self.status = status
    self.summary = summary
    self.fix = fix
  }
}

/// One thing that makes runs slow or impossible: facts go in, a finding comes out.
package protocol DoctorCheck {
  var finding: Finding { get }
}

/// All findings as text and as JSON.
package struct DoctorReport: Encodable, Sendable {
  /// The worst of the checks'.
  package var status: Finding.Status
  package var checks: [Finding]

  package init(_ checks: [Finding]) {
    self.checks = checks
    let statuses = Set(checks.map(\.status))
    status = statuses.contains(.fail) ? .fail : statuses.contains(.warn) ? .warn : .pass
  }

  /// A line for each check, and under it what to do.
  package var text: String {
    let width = checks.map(\.name.count).max() ?? 0
    let lines = checks.flatMap { check -> [String] in
      let name = check.name + String(repeating: " ", count: width - check.name.count)
      let line = "\(check.status.rawValue)  \(name)  \(check.summary)"
      return [line] + (check.fix.map { [String(repeating: " ", count: width + 8) + $0] } ?? [])
    }
    return (lines + ["", verdict]).joined(separator: "\n")
  }

  private var verdict: String {
    func count(_ status: Finding.Status) -> Int { checks.count { $0.status == status } }
    return "\(count(.pass)) pass, \(count(.warn)) warn, \(count(.fail)) fail"
  }
}
