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

    /// <summary>Longer texts are cut: a message says what it has to say before.</summary>
    private const int MostCharacters = 8192;

    private static readonly (Regex What, string With)[] s_secrets =
    [
        (New(@"(?<=<([\w]+:)?(password|passwd|passphrase|pwd|secret|token)>)[^<]+(?=</)"), "<secret>"),
        (New(@"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\z)", RegexOptions.Singleline),
            "<private key>"),
        // A password may hold everything but a blank, the sign behind it as well.
        (New(@"(?<=://)\S+@"), "<account>@"),
        (New(@"(?<=[?&](sig|signature|token|key|password|secret|x-amz-[a-z-]+)=)[^&\s""']+"), "<secret>"),
        (New(@"\b(?<scheme>Bearer|Basic|PVEAPIToken|PVEAuthCookie|CSRFPreventionToken)(?<sign>[=: ]+)[^\s;,""']+"),
            "${scheme}${sign}<secret>"),
        (New(@"(?<name>--(password|pass|passphrase|pwd|secret|token)(=|\s+))(""[^""]*""?|'[^']*'?|\S+)"),
            "${name}<secret>"),
        // Unquoted, a secret goes to the end of its line: phrases are secrets, too.
        (New(@"(?<name>(password|passwd|passphrase|pwd|secret|api[_-]?key|auth[_-]?key|access[_-]?key|token"
            + @"|(?<![a-z])(pass|pw|session|ticket|signature))([_-]?(key|value|text))?[""']?\s*([:=]|%3[AD])\s*)"
            + @"(""(\\.|[^""\\])*""?|'[^']*'?|(?!<)[^\r\n]+)"), "${name}<secret>"),
        (New(@"\b(AKIA|ASIA)[A-Z0-9]{16}\b", RegexOptions.None, ignoresCase: false), "<access key>"),
        // Forty characters of Base64, with capitals, small letters and digits: the secret of an access key.
        (New(@"(?<![\w/+.-])(?=[a-z0-9/+]*[A-Z])(?=[A-Z0-9/+]*[a-z])(?=[A-Za-z/+]*[0-9])[A-Za-z0-9/+]{40}"
            + @"(?![\w/+=.-])", RegexOptions.None, ignoresCase: false), "<secret>"),
        (New(@"(?<![\w/.])[\w.+-]+@[\w-]+(\.[\w-]+)*(![\w.-]+)?([=:][^\s'"",;]+)?"), "<account>"),
    ];

    private readonly List<(Regex What, string With)> _own = [];

    /// <param name="user">The user's account; null or one that everybody has is left in.</param>
    /// <param name="home">The user's home folder, or null.</param>
    internal Redactor(string? user, string? home)
    {
        if (home is { Length: > 3 })
            _own.Add((New(@"(?<![\w.-])" + Regex.Escape(home.TrimEnd('/', '\\')) + @"(?![\w.-])"), "~"));
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
        string clean = text!.Length > MostCharacters ? text.Substring(0, MostCharacters) + " (cut off)" : text;
        try
        {
            foreach ((Regex what, string with) in s_secrets.Concat(_own)) clean = what.Replace(clean, with);
            return clean;
        }
        catch (RegexMatchTimeoutException)
        {
            return "(a text that could not be cleaned)";
        }
    }

    /// <summary>
    /// The address of a proxy without its user: these may stand without a scheme, and hold anything up to the last
    /// sign.
    /// </summary>
    internal string CleanProxy(string? address)
    {
        string text = address ?? "";
        int end = text.LastIndexOf('@'), begin = text.IndexOf("://", StringComparison.Ordinal);
        return Clean(end < 0 ? text
            : (begin >= 0 && begin < end ? text.Substring(0, begin + 3) : "") + "<account>@" + text.Substring(end + 1));
    }

    private static Regex New(string pattern, RegexOptions options = RegexOptions.None, bool ignoresCase = true) =>
        new(pattern, options | RegexOptions.CultureInvariant | RegexOptions.ExplicitCapture
            | (ignoresCase ? RegexOptions.IgnoreCase : RegexOptions.None), TimeSpan.FromSeconds(5));
}
