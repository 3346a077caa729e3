using System.Text;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Operations.Reports.Metrics;

/// <summary>
/// One family of gauges in the text format of OpenMetrics 1.0. Only gauges, so that readers of the older Prometheus
/// format, such as the textfile collector of its node exporter, take the file as well.
/// </summary>
/// <param name="writer">Where it goes.</param>
/// <param name="name">Its name; ends with the unit where it has one.</param>
/// <param name="unit">The unit, or null.</param>
/// <param name="help">What it means.</param>
internal sealed class MetricFamily(TextWriter writer, string name, string? unit, string help)
{
    private bool _hasHead;

    /// <summary>Writes one sample. A family without any is left out.</summary>
    /// <param name="value">The number, as text that is the same in every culture; null writes nothing.</param>
    /// <param name="labels">Names and values of labels.</param>
    internal void Add(string? value, params (string Name, string? Value)[] labels)
    {
        if (value is null) return;
        if (!_hasHead)
        {
            _hasHead = true;
            writer.Write($"# TYPE {name} gauge\n");
            if (unit is not null) writer.Write($"# UNIT {name} {unit}\n");
            writer.Write($"# HELP {name} {Escape(help)}\n");
        }
        writer.Write(name);
        if (labels.Length > 0)
            writer.Write("{" + string.Join(",", labels.Select(l => $"{l.Name}=\"{Escape(l.Value)}\"")) + "}");
        writer.Write($" {value}\n");
    }

    /// <summary>A label's value or a help text: no line end, and nothing that ends it early.</summary>
    internal static string Escape(string? text)
    {
        var escaped = new StringBuilder();
        foreach (char c in DisplayText.CleanLine(text))
        {
            if (c is '\\' or '"') escaped.Append('\\');
            escaped.Append(c);
        }
        return escaped.ToString();
    }
}
