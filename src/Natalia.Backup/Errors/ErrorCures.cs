using System.Reflection;

namespace Natalia.Backup.Errors;

/// <summary>
/// What to do about each error where nothing more is known of the very case: the cures of <c>about_NataliaErrors</c>,
/// whose text is a resource of this assembly. Read when the first one is asked for.
/// </summary>
internal static class ErrorCures
{
    private const string Resource = "about_NataliaErrors.help.txt", Mark = "        Cure:  ";

    private static readonly Lazy<IReadOnlyDictionary<string, string>> s_all = new(Read);

    /// <summary>The cure of an error; null for an id that the topic does not have.</summary>
    internal static string? Of(string errorId) => s_all.Value.TryGetValue(errorId, out string? cure) ? cure : null;

    private static IReadOnlyDictionary<string, string> Read()
    {
        using Stream stream = Assembly.GetExecutingAssembly().GetManifestResourceStream(Resource)
            ?? throw new InvalidOperationException($"The assembly has no resource '{Resource}'.");
        using var reader = new StreamReader(stream);
        return Parse(reader.ReadToEnd());
    }

    /// <summary>
    /// An id stands alone behind four blanks, its cure behind <c>Cure:</c> and on the lines that are further in.
    /// </summary>
    internal static IReadOnlyDictionary<string, string> Parse(string topic)
    {
        Dictionary<string, string> cures = new(StringComparer.Ordinal);
        string? id = null;
        bool isCure = false;
        foreach (string line in topic.Replace("\r", "").Split('\n'))
        {
            string text = line.Trim();
            bool isContinued = line.StartsWith(new string(' ', Mark.Length), StringComparison.Ordinal);
            if (isCure && isContinued && id is not null) cures[id] += " " + text;
            isCure = isCure && isContinued;
            if (line.StartsWith("    ", StringComparison.Ordinal) && line.Length > 4 && line[4] != ' ')
                id = text.All(char.IsLetter) ? text : null;
            if (id is null || !line.StartsWith(Mark, StringComparison.Ordinal)) continue;
            cures[id] = text.Substring("Cure:".Length).TrimStart();
            isCure = true;
        }
        return cures;
    }
}
