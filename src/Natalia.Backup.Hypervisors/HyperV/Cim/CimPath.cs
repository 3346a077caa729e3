using System.Globalization;
using System.Text;

namespace Natalia.Backup.Hypervisors.HyperV.Cim;

/// <summary>
/// Names a CIM object by its class and its keys, in the order of the class; without keys it names the class itself.
/// Two paths are equal when they name the same object, whatever server they came from.
/// </summary>
internal sealed class CimPath : IEquatable<CimPath>
{
    internal CimPath(string @namespace, string className, IReadOnlyList<KeyValuePair<string, object>>? keys = null,
        string? server = null) =>
        (Namespace, ClassName, Keys, Server) = (@namespace.Replace('\\', '/'), className, keys ?? [], server);

    /// <summary>With forward slashes: <c>root/virtualization/v2</c>.</summary>
    internal string Namespace { get; }

    internal string ClassName { get; }

    internal IReadOnlyList<KeyValuePair<string, object>> Keys { get; }

    /// <summary>The computer that answered with it; null when unknown.</summary>
    internal string? Server { get; }

    /// <summary>The path of the one object of a class that has one key.</summary>
    internal static CimPath Of(string @namespace, string className, string key, string value) =>
        new(@namespace, className, [new KeyValuePair<string, object>(key, value)]);

    /// <summary>The value of a key as text; null when there is no such key.</summary>
    internal string? this[string key] => Keys
        .Where(k => string.Equals(k.Key, key, StringComparison.OrdinalIgnoreCase))
        .Select(k => Convert.ToString(k.Value, CultureInfo.InvariantCulture)).FirstOrDefault();

    /// <summary>
    /// As WMI writes it, and as settings hold it that refer to other objects by text:
    /// <c>\\HOST\root\virtualization\v2:Class.Key="value"</c>, with backslash and quote escaped in the value.
    /// </summary>
    /// <param name="server">The computer to write; null leaves it and the namespace out.</param>
    internal string ToText(string? server)
    {
        var text = new StringBuilder();
        if (server is not null)
            text.Append(@"\\").Append(server).Append('\\').Append(Namespace.Replace('/', '\\')).Append(':');
        text.Append(ClassName);
        for (int i = 0; i < Keys.Count; i++)
        {
            text.Append(i == 0 ? '.' : ',').Append(Keys[i].Key).Append('=');
            if (Keys[i].Value is string value)
                text.Append('"').Append(value.Replace(@"\", @"\\").Replace("\"", "\\\"")).Append('"');
            else text.Append(Convert.ToString(Keys[i].Value, CultureInfo.InvariantCulture));
        }
        return text.ToString();
    }

    /// <summary>Reads the text of a path; null when it is none.</summary>
    /// <param name="text">With or without server and namespace.</param>
    /// <param name="namespace">The namespace of a text that names none.</param>
    internal static CimPath? TryParse(string? text, string @namespace)
    {
        if (text is null) return null;
        string? server = null;
        string rest = text.Trim();
        // A colon inside of a quoted value is none of the namespace's.
        int quote = rest.IndexOf('"'), colon = rest.IndexOf(':');
        if (colon >= 0 && (quote < 0 || colon < quote))
        {
            string before = rest.Substring(0, colon);
            rest = rest.Substring(colon + 1);
            if (before.StartsWith(@"\\", StringComparison.Ordinal))
            {
                int end = before.IndexOf('\\', 2);
                if (end < 0) return null;
                (server, before) = (before.Substring(2, end - 2), before.Substring(end + 1));
            }
            @namespace = before;
        }
        int dot = rest.IndexOf('.');
        string className = dot < 0 ? rest : rest.Substring(0, dot);
        if (className.Length == 0 || className.Any(c => c != '_' && !char.IsLetterOrDigit(c))) return null;
        List<KeyValuePair<string, object>>? keys = dot < 0 ? [] : ReadKeys(rest, dot + 1);
        return keys is null ? null : new CimPath(@namespace, className, keys, server);
    }

    private static List<KeyValuePair<string, object>>? ReadKeys(string text, int at)
    {
        var keys = new List<KeyValuePair<string, object>>();
        while (at < text.Length)
        {
            int equals = text.IndexOf('=', at);
            if (equals < 0) return null;
            string name = text.Substring(at, equals - at);
            at = equals + 1;
            if (at < text.Length && text[at] == '"')
            {
                var value = new StringBuilder();
                for (at++; at < text.Length && text[at] != '"'; at++)
                {
                    if (text[at] == '\\') at++;
                    if (at >= text.Length) return null;
                    value.Append(text[at]);
                }
                if (at >= text.Length) return null;
                at++;
                keys.Add(new KeyValuePair<string, object>(name, value.ToString()));
            }
            else
            {
                int comma = text.IndexOf(',', at);
                int end = comma < 0 ? text.Length : comma;
                if (!long.TryParse(text.Substring(at, end - at), NumberStyles.AllowLeadingSign,
                    CultureInfo.InvariantCulture, out long number)) return null;
                keys.Add(new KeyValuePair<string, object>(name, number));
                at = end;
            }
            if (at < text.Length && text[at++] != ',') return null;
        }
        return keys.Count == 0 ? null : keys;
    }

    public bool Equals(CimPath? other) => other is not null
        && string.Equals(Namespace, other.Namespace, StringComparison.OrdinalIgnoreCase)
        && string.Equals(ClassName, other.ClassName, StringComparison.OrdinalIgnoreCase)
        && Keys.Count == other.Keys.Count
        && Keys.All(k => string.Equals(Convert.ToString(k.Value, CultureInfo.InvariantCulture), other[k.Key],
            StringComparison.OrdinalIgnoreCase));

    public override bool Equals(object? obj) => Equals(obj as CimPath);

    public override int GetHashCode() => StringComparer.OrdinalIgnoreCase.GetHashCode(ClassName);

    public override string ToString() => ToText(null);
}
