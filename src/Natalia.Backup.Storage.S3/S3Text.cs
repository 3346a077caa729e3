using System.Globalization;
using System.Security;
using Natalia.Backup.Engine;

namespace Natalia.Backup.Storage.S3;

/// <summary>
/// Finds in what a person typed or pasted what no key, name or address holds, and says what it is: a server would only
/// answer that a signature is wrong.
/// </summary>
internal static class S3Text
{
    /// <exception cref="NataliaException"><c>StoreCredentialInvalid</c>, <c>StoreSettingInvalid</c>.</exception>
    internal static void Require(S3StoreOptions options)
    {
        RequireSetting(options, "bucket's name", options.Bucket);
        if (options.Region is string region) RequireSetting(options, "region", region);
        if (options.Prefix is string prefix && FindEdge(prefix) is string edge)
            throw Setting(options, $"The prefix '{Show(prefix)}' {edge}.");
        if (options.Bucket.StartsWith("s3://", StringComparison.OrdinalIgnoreCase) || options.Bucket.Contains("://"))
            throw Setting(options, $"The bucket's name '{options.Bucket}' is an address.",
                "Give the name alone as the bucket, what keys begin with as -Prefix, and the server as -Endpoint.");
        if (Array.Find(options.Bucket.ToCharArray(),
            c => !(char.IsLetterOrDigit(c) || c is '.' or '-' or '_' or ':')) is var odd and not '\0')
            throw Setting(options, $"The bucket's name '{options.Bucket}' holds {Name(odd)}, which no name has.",
                odd == '/' ? "Give the name alone as the bucket, and what keys begin with as -Prefix." : null);
        if (Array.Find((options.Region ?? "").ToCharArray(),
            c => !(char.IsLetterOrDigit(c) || c is '-' or '_' or '.')) is var other and not '\0')
            throw Setting(options, $"The region '{options.Region}' holds {Name(other)}, which no region has.");
        if (options.AccessKey is string key)
        {
            if (key.Length == 0) throw Credential(options, "The access key is empty.");
            // It travels in a header, which takes no others.
            if ((Find(key) ?? FindQuotes(key)) is string wrong) throw Credential(options, $"The access key {wrong}.");
        }
        if (options.SecretKey is SecureString secret)
        {
            string text = new System.Net.NetworkCredential("", secret).Password;
            if (text.Length == 0) throw Credential(options, "The secret of the access key is empty.");
            if ((FindEdge(text) ?? FindQuotes(text)) is string wrong)
                throw Credential(options, $"The secret of the access key {wrong}.");
            if (text.Any(c => c > 0x7e))
                throw Credential(options, "The secret of the access key holds a character that is not ASCII.");
        }
    }

    /// <summary>
    /// What may be wrong with a secret that some servers take and this one refused; null when nothing is.
    /// </summary>
    internal static string? FindDoubt(S3StoreOptions options)
    {
        string text = new System.Net.NetworkCredential("", options.SecretKey).Password;
        return text.Contains(' ') ? " The secret holds a blank." : null;
    }

    /// <summary>What is wrong with the text of an endpoint, or null when nothing is to be seen.</summary>
    internal static string? FindEndpointFault(Uri endpoint) =>
        Find(endpoint.OriginalString) is string wrong
            ? wrong
            : endpoint.OriginalString.IndexOfAny(['"', '\'', '\u201c', '\u201d', '<', '>']) is >= 0 and int at
                ? $"holds {Name(endpoint.OriginalString[at])}"
                : null;

    private static void RequireSetting(S3StoreOptions options, string what, string text)
    {
        if (text.Trim().Length == 0) throw Setting(options, $"The {what} is empty.");
        if (Find(text) is string wrong) throw Setting(options, $"The {what} '{Show(text)}' {wrong}.");
    }

    private static string? Find(string text)
    {
        if (FindEdge(text) is string edge) return edge;
        foreach (char c in text)
        {
            if (char.IsWhiteSpace(c)) return $"holds {Name(c)}";
            if (c > 0x7e) return $"holds {Name(c)}, which is not ASCII";
        }
        return null;
    }

    /// <summary>
    /// What copying brings along: blanks and line ends at the ends, characters that are not seen anywhere.
    /// </summary>
    private static string? FindEdge(string text)
    {
        if (text.Length == 0) return null;
        if (text[0] == '\uFEFF') return "begins with a byte order mark";
        if (text.IndexOfAny(['\r', '\n']) is >= 0 and int line)
            return line == 0
                ? "begins with a line end"
                : text.Substring(line).Trim().Length == 0 ? "ends with a line end" : "holds a line end";
        if (char.IsWhiteSpace(text[0])) return $"begins with {Name(text[0])}";
        if (char.IsWhiteSpace(text[text.Length - 1])) return $"ends with {Name(text[text.Length - 1])}";
        foreach (char c in text)
            if (char.IsControl(c) || CharUnicodeInfo.GetUnicodeCategory(c) == UnicodeCategory.Format)
                return $"holds {Name(c)}, which is not seen";
        return null;
    }

    private static string? FindQuotes(string text) =>
        text.Length > 1 && text[0] is '"' or '\'' or '`' && text[0] == text[text.Length - 1]
            ? "stands in quotation marks"
            : null;

    private static string Name(char c) => c switch
    {
        ' ' => "a blank",
        '\t' => "a tabulator",
        '\r' or '\n' => "a line end",
        '"' or '\'' or '\u201c' or '\u201d' or '\u2018' or '\u2019' => "a quotation mark",
        '/' => "a slash",
        _ when c > ' ' && c < 0x7f => $"'{c}'",
        _ => $"the character U+{(int)c:X4}",
    };

    private static string Show(string text) => DisplayText.CleanLine(text);

    private static NataliaException Setting(S3StoreOptions options, string what, string? advice = null) =>
        new(ErrorIds.StoreSettingInvalid, NataliaErrorKind.InvalidArgument, what, options.Location,
            advice ?? "Copying often brings blanks, line ends and quotation marks along: give the text without them.");

    private static NataliaException Credential(S3StoreOptions options, string what) =>
        new(ErrorIds.StoreCredentialInvalid, NataliaErrorKind.InvalidArgument, what, options.Location,
            "Copying often brings blanks, line ends and quotation marks along: enter the access key as user name and "
            + "its secret as password without them.");
}
