using System.Collections;
using System.Globalization;
using System.Text;

namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>
/// Arguments of an operation in the server's form: numbers invariant, booleans 1 and 0, arrays as a repeated key, and
/// null left out.
/// </summary>
internal sealed class ApiArguments : IEnumerable
{
    private readonly List<KeyValuePair<string, string>> _pairs = [];

    internal bool IsEmpty => _pairs.Count == 0;

    /// <summary>The names only: values may be secrets.</summary>
    internal IEnumerable<string> Names => _pairs.Select(p => p.Key).Distinct();

    public void Add(string name, string? value)
    {
        if (value is not null) _pairs.Add(new(name, value));
    }

    public void Add(string name, long? value) => Add(name, value?.ToString(CultureInfo.InvariantCulture));

    public void Add(string name, double? value) => Add(name, value?.ToString("0.######", CultureInfo.InvariantCulture));

    public void Add(string name, bool? value) => Add(name, value is bool b ? b ? "1" : "0" : null);

    public void Add(string name, IEnumerable<string> values)
    {
        foreach (string value in values) Add(name, value);
    }

    internal string Encode()
    {
        var text = new StringBuilder();
        foreach ((string? name, string? value) in _pairs.Select(p => (p.Key, p.Value)))
        {
            if (text.Length > 0) text.Append('&');
            text.Append(PercentEncoding.Encode(name)).Append('=').Append(PercentEncoding.Encode(value));
        }
        return text.ToString();
    }

    IEnumerator IEnumerable.GetEnumerator() => Names.GetEnumerator();

    /// <summary>The names, never the values.</summary>
    public override string ToString() => string.Join(", ", Names);
}
