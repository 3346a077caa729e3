using System.Globalization;
using System.Runtime.CompilerServices;

namespace Natalia.Backup.Operations.Reports.Html;

/// <summary>
/// Writes a page from interpolated strings: what stands in the source is markup, and every hole is text that is
/// encoded. Nothing from elsewhere can become markup by being forgotten.
/// </summary>
internal sealed class HtmlWriter(TextWriter writer)
{
    private int _lastId;

    /// <summary>A name for something in the page, unlike any other there.</summary>
    internal string NewId(string prefix) => prefix + (++_lastId).ToString(CultureInfo.InvariantCulture);

    /// <summary>Writes markup with holes: each part when the compiler hands it over.</summary>
    internal void Write([InterpolatedStringHandlerArgument("")] Hole markup) => markup.End();

    /// <summary>Writes each part as it is built.</summary>
    [InterpolatedStringHandler]
    internal readonly struct Hole
    {
        private readonly TextWriter _writer;

        public Hole(int literalLength, int formattedCount, HtmlWriter page) => _writer = page.Writer;

        public void AppendLiteral(string markup) => _writer.Write(markup);

        public void AppendFormatted(string? text) => _writer.Write(HtmlText.Encode(text));

        public void AppendFormatted(Markup markup) => _writer.Write(markup.Text);

        public void AppendFormatted(int number) => _writer.Write(number.ToString(CultureInfo.InvariantCulture));

        public void AppendFormatted(double number) =>
            _writer.Write(number.ToString("0.##", CultureInfo.InvariantCulture));

        internal void End() { }
    }

    private TextWriter Writer => writer;
}
