using System.Text;

namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>Percent-encoding that is the same on every framework: only RFC 3986's unreserved characters stay.</summary>
internal static class PercentEncoding
{
    internal static string Encode(string text)
    {
        const string digits = "0123456789ABCDEF";
        var encoded = new StringBuilder(text.Length + 16);
        foreach (byte b in Encoding.UTF8.GetBytes(text))
        {
            if (b is >= (byte)'a' and <= (byte)'z' or >= (byte)'A' and <= (byte)'Z' or >= (byte)'0' and <= (byte)'9'
                or (byte)'-' or (byte)'.' or (byte)'_' or (byte)'~')
                encoded.Append((char)b);
            else
                encoded.Append('%').Append(digits[b >> 4]).Append(digits[b & 15]);
        }
        return encoded.ToString();
    }
}
