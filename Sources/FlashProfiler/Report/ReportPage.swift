/// One part of a report page, such as a chart, a table or a paragraph.
package protocol ReportPart: Sendable {
  /// HTML that needs nothing but the page's style sheet. Whatever came from outside is escaped.
  var html: String { get }
}

/// Parts under one heading. Charts stand side by side where the screen is wide enough.
package struct ReportSection: Sendable {
  package var title: String
  /// What is to be seen and what follows from it, in a sentence or two.
  package var summary: String
  package var parts: [any ReportPart]

  package init(_ title: String, summary: String = "", parts: [any ReportPart]) {
    self.title = title
    self.summary = summary
    self.parts = parts
  }
}

/// A report as one self-contained HTML page: no script, nothing from outside, light or dark as the
/// reader's system is, and readable on a telephone.
package struct ReportPage: Sendable {
  package var title: String
  /// The line under the title: what was measured, where and when.
  package var subtitle: String
  /// Figures that stand out, each with its label.
  package var highlights: [(label: String, value: String)]
  package var sections: [ReportSection]

  package init(
    title: String, subtitle: String, highlights: [(label: String, value: String)] = [],
    sections: [ReportSection]
  ) {
    self.title = title
    self.subtitle = subtitle
    self.highlights = highlights
    self.sections = sections
  }

  /// The whole page.
  package var html: String {
    let figures = highlights.map {
      "<div class=\"figure\"><b>\($0.value.escapedForHTML)</b>"
        + "<span>\($0.label.escapedForHTML)</span></div>"
    }
    let shown =
      figures.isEmpty ? "" : "<div class=\"figures\">\n\(figures.joined(separator: "\n"))\n</div>\n"
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta name="color-scheme" content="light dark">
      <title>\(title.escapedForHTML)</title>
      <style>
      \(ReportStyle.sheet)
      </style>
      </head>
      <body>
      <main>
      <header>
      <h1>\(title.escapedForHTML)</h1>
      <p>\(subtitle.escapedForHTML)</p>
      </header>
      \(shown)\(sections.map(Self.html(of:)).joined(separator: "\n"))
      <footer>flashrun</footer>
      </main>
      </body>
      </html>

      """
  }

  private static func html(of section: ReportSection) -> String {
    let summary = section.summary.isEmpty ? "" : "<p>\(section.summary.escapedForHTML)</p>\n"
    return """
      <section>
      <h2>\(section.title.escapedForHTML)</h2>
      \(summary)<div class="parts">
      \(section.parts.map(\.html).joined(separator: "\n"))
      </div>
      </section>
      """
  }
}

/// A paragraph, or a list where there are several.
package struct ReportText: ReportPart {
  package var lines: [String]

  package init(_ lines: [String]) {
    self.lines = lines
  }

  package var html: String {
    if lines.count == 1 { return "<p class=\"wide\">\(lines[0].escapedForHTML)</p>" }
    let items = lines.map { "<li>\($0.escapedForHTML)</li>" }.joined(separator: "\n")
    return "<ul class=\"wide\">\n\(items)\n</ul>"
  }
}

extension String {
  /// Safe between tags and inside quoted attributes.
  package var escapedForHTML: String {
    var text = ""
    for character in unicodeScalars {
      switch character {
      case "&": text += "&amp;"
      case "<": text += "&lt;"
      case ">": text += "&gt;"
      case "\"": text += "&quot;"
      case "'": text += "&#39;"
      default: text.unicodeScalars.append(character)
      }
    }
    return text
  }
}
