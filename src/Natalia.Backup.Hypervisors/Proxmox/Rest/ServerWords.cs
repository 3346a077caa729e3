using System.Text.Json;
using System.Text.RegularExpressions;

namespace Natalia.Backup.Hypervisors.Proxmox.Rest;

/// <summary>
/// What a server said when it refused something, from wherever it stands. The schema's own refusals and those of the
/// code behind it look alike: the reason is "Parameter verification failed.", and the words that tell one from another
/// stand in "errors" under an argument's name.
/// </summary>
/// <param name="Text">The reason phrase and the message, one line.</param>
/// <param name="Arguments">The arguments that it did not take, with its words for each.</param>
internal sealed record ServerWords(string Text, IReadOnlyDictionary<string, string> Arguments)
{
    private const int MaximumLength = 600;

    /// <summary>All of it in one line, in an order that does not depend on the server's.</summary>
    internal string All =>
        string.Join(" - ",
            new[] { Text }.Concat(Arguments.OrderBy(a => a.Key, StringComparer.Ordinal)
                .Select(a => $"{a.Key}: {a.Value}"))
                .Where(t => t.Length > 0));

    /// <summary>
    /// Reads the reason phrase, "message" and "errors"; another kind of server says it in the body as plain text.
    /// </summary>
    /// <param name="reason">The reason phrase, or null.</param>
    /// <param name="body">The body, possibly cut.</param>
    /// <param name="flavor">The kind of server.</param>
    /// <param name="secrets">What must not appear in it.</param>
    internal static ServerWords Read(string? reason, string body, ApiFlavor flavor, IEnumerable<string> secrets)
    {
        List<string> hidden = [.. secrets.Where(s => s.Length >= 4)];
        var texts = new List<string>();
        var arguments = new Dictionary<string, string>(StringComparer.Ordinal);
        Add(reason);
        if (body.Length > 0 && body[0] == '{')
        {
            try
            {
                using JsonDocument json = JsonDocument.Parse(body);
                Add(json.RootElement.Text("message"));
                if (json.RootElement.Member("errors") is { ValueKind: JsonValueKind.Object } errors)
                    foreach (JsonProperty error in errors.EnumerateObject())
                        arguments[error.Name] = OneLine(error.Value.AsText() ?? error.Value.GetRawText());
                else
                    Add(json.RootElement.Text("errors"));
            }
            catch (JsonException)
            {
                // A cut body says nothing more than its status.
            }
        }
        else if (flavor == ApiFlavor.BackupServer && body.Length is > 0 and < 2000 && body[0] != '<')
        {
            Add(body);
        }
        return new ServerWords(string.Join(" - ", texts), arguments);

        void Add(string? text)
        {
            string line = OneLine(text ?? "");
            if (line.Length > 0 && !texts.Any(t => t.IndexOf(line, StringComparison.OrdinalIgnoreCase) >= 0))
                texts.Add(line);
        }

        string OneLine(string text)
        {
            string line = Regex.Replace(text, @"\s+", " ").Trim();
            foreach (string secret in hidden) line = line.Replace(secret, "***");
            return line.Length > MaximumLength ? line.Substring(0, MaximumLength) + "…" : line;
        }
    }
}
