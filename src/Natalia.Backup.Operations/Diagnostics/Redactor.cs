using System.Text.RegularExpressions;

namespace Natalia.Backup.Operations.Diagnostics;

/// <summary>
/// Takes out of texts what does not concern who helps: secrets that somebody else's message may hold, accounts, and
/// where a user's home is. What this product writes holds no secret; this is for what it was told. Pure, and
/// thread-safe.
/// </summary>
internal sealed class Redactor
{
    /// <summary>Accounts that say nothing of a person.</summary>
    private static readonly HashSet<string> s_common = new(["root", "system", "administrator", "admin", "user"],
        StringComparer.OrdinalIgnoreCase);

    private static readonly (Regex What, string With)[] s_secrets =
    [
        (New(@"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\z)", RegexOptions.Singleline),
            "<private key>"),
        (New(@"(?<=://)[^/\s@]+@"), "<account>@"),
        (New(@"(?<=[?&](sig|signature|token|key|password|secret|x-amz-[a-z-]+)=)[^&\s""']+"), "<secret>"),
        (New(@"\b(?<scheme>Bearer|Basic|PVEAPIToken|PVEAuthCookie|CSRFPreventionToken)(?<sign>[=: ]+)[^\s;,""']+"),
            "${scheme}${sign}<secret>"),
        (New(@"(?<name>[\w-]*(password|passwd|passphrase|pwd|secret|apikey|api[_-]key|accesskey|access[_-]key|token)"
            + @"([_-]?(key|value|text))?[""']?\s*[:=]\s*)(""[^""]*""|'[^']*'|[^\s,;}""']+)"), "${name}<secret>"),
        (New(@"\b(AKIA|ASIA)[A-Z0-9]{16}\b", RegexOptions.None, ignoresCase: false), "<access key>"),
        (New(@"(?<![\w/.])[\w.+-]+@[\w-]+(\.[\w-]+)*(![\w.-]+)?"), "<account>"),
    ];

    private readonly List<(Regex What, string With)> _own = [];

    /// <param name="user">The user's account; null or one that everybody has is left in.</param>
    /// <param name="home">The user's home folder, or null.</param>
    internal Redactor(string? user, string? home)
    {
        if (home is { Length: > 3 })
            _own.Add((New(Regex.Escape(home.TrimEnd('/', '\\')) + @"(?![\w.-])"), "~"));
        if (user is { Length: > 0 } && !s_common.Contains(user))
            _own.Add((New($@"(?<!\w){Regex.Escape(user)}(?!\w)"), "<user>"));
    }

    /// <summary>For the user who runs this process.</summary>
    internal static Redactor OfThisUser() => new(Environment.UserName,
        Environment.GetFolderPath(Environment.SpecialFolder.UserProfile));

    /// <summary>The text without what it should not hold; empty for null.</summary>
    internal string Clean(string? text)
    {
        if (string.IsNullOrEmpty(text)) return "";
        string clean = text!;
        foreach ((Regex what, string with) in s_secrets.Concat(_own)) clean = what.Replace(clean, with);
        return clean;
    }

    private static Regex New(string pattern, RegexOptions options = RegexOptions.None, bool ignoresCase = true) =>
        new(pattern, options | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture
            | (ignoresCase ? RegexOptions.IgnoreCase : RegexOptions.None), TimeSpan.FromSeconds(5));
}
