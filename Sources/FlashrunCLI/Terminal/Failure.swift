/// An error as a user sees it: an exit code, a sentence, and what could be done, a line each.
package struct Failure: Error, Equatable, CustomStringConvertible {
  package var status: ExitStatus
  package var message: String
  package var hints: [String]

  package init(_ status: ExitStatus, _ message: String, hints: [String] = []) {
    self.status = status
    self.message = message
    self.hints = hints
  }

  package var description: String {
    ([message] + hints.map { "  " + $0 }).joined(separator: "\n")
  }

  /// A command or option that is planned but not built.
  package static func planned(_ what: String) -> Failure {
    Failure(.unavailable, "\(what) is planned but not built yet")
  }
}
