using System.Text;

namespace Natalia.Backup.Serving.Iscsi;

/// <summary>Text of login and text PDUs: key=value, each ended by a zero. RFC 7143 §6.1.</summary>
internal static class TextKeys
{
    /// <exception cref="IscsiProtocolException">It is no such text.</exception>
    internal static List<(string Key, string Value)> Parse(ReadOnlySpan<byte> bytes)
    {
        var keys = new List<(string, string)>();
        foreach (string pair in Encoding.UTF8.GetString(bytes.ToArray()).Split('\0'))
        {
            if (pair.Length == 0) continue;
            int equals = pair.IndexOf('=');
            if (equals is < 1 or > 63 || keys.Count >= 256)
                throw new IscsiProtocolException("A text is no list of keys.");
            keys.Add((pair.Substring(0, equals), pair.Substring(equals + 1)));
        }
        return keys;
    }

    internal static byte[] Encode(IEnumerable<(string Key, string Value)> keys) =>
        Encoding.UTF8.GetBytes(string.Concat(keys.Select(k => $"{k.Key}={k.Value}\0")));
}
