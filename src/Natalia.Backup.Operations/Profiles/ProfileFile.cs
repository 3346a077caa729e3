using System.Text;
using System.Text.Json;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Kinds;
using Natalia.Backup.Operations.Text;

namespace Natalia.Backup.Operations.Profiles;

/// <summary>
/// Reads and writes profile files. An unknown member is refused rather than passed over: a misspelt one would otherwise
/// mean something else than its writer thinks.
/// </summary>
internal static class ProfileFile
{
    private const string Format = "natalia-profile";
    private const int Version = 1;
    private const long MaximumBytes = 1 << 20;

    private static readonly UTF8Encoding s_strict = new(false, throwOnInvalidBytes: true);

    /// <summary>The file's bytes: UTF-8, indented.</summary>
    internal static byte[] Write(ProfileDocument profile)
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory, ReadableJson.Options))
        {
            json.WriteStartObject();
            json.WriteString("format", Format);
            json.WriteNumber("version", Version);
            Write(json, "hypervisors", profile.Hypervisors);
            Write(json, "repositories", profile.Repositories);
            json.WriteEndObject();
        }
        return memory.ToArray();
    }

    /// <summary>Reads a file.</summary>
    /// <param name="path">Its full path. Relative paths in it count from its folder.</param>
    /// <exception cref="NataliaException"><c>ProfileNotFound</c>, <c>ProfileInvalid</c>.</exception>
    internal static ProfileDocument Read(string path)
    {
        byte[] bytes;
        try
        {
            if (!File.Exists(path))
                throw new NataliaException(ErrorIds.ProfileNotFound, NataliaErrorKind.NotFound,
                    $"There is no profile '{path}'.", path, "Export-NataliaProfile makes one.");
            if (new FileInfo(path).Length > MaximumBytes) throw Invalid(path, "it is longer than 1 MiB");
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new NataliaException(ErrorIds.ProfileNotFound,
                e is UnauthorizedAccessException ? NataliaErrorKind.PermissionDenied : NataliaErrorKind.ReadFailed,
                $"The profile '{path}' could not be read: {e.Message}", path, innerException: e);
        }
        try
        {
            // Editors of Windows like to put a byte order mark before UTF-8.
            ReadOnlyMemory<byte> text = bytes.AsMemory(bytes is [0xEF, 0xBB, 0xBF, ..] ? 3 : 0);
            // Before anything of it is read: the parser would let them through until somebody asks for the text.
            s_strict.GetCharCount(bytes);
            using JsonDocument document = JsonDocument.Parse(text, new JsonDocumentOptions
            {
                AllowTrailingCommas = true,
                CommentHandling = JsonCommentHandling.Skip,
            });
            EnsureWholeCharacters(document.RootElement);
            return Read(path, document.RootElement);
        }
        catch (DecoderFallbackException e)
        {
            throw Invalid(path, "it is not UTF-8 text; an editor may have saved it in another encoding", e);
        }
        catch (JsonException e)
        {
            throw Invalid(path, $"it is not JSON: {e.Message.TrimEnd('.')}", e);
        }
        catch (InvalidDataException e)
        {
            throw Invalid(path, e.Message, e);
        }
    }

    /// <summary>
    /// Refuses storages of hypervisors that nobody names: they are not away, they will never be there.
    /// </summary>
    /// <param name="path">The file.</param>
    /// <param name="profile">What it says.</param>
    /// <param name="isKnown">Whether there is a hypervisor session of that name already.</param>
    /// <exception cref="NataliaException"><c>ProfileInvalid</c>.</exception>
    internal static void EnsureHypervisors(string path, ProfileDocument profile, Func<string, bool> isKnown)
    {
        foreach (HypervisorStorageSettings storage in profile.Repositories.OfType<HypervisorStorageSettings>())
        {
            if (!isKnown(storage.Hypervisor) && !profile.Hypervisors.Any(
                h => string.Equals(h.Name, storage.Hypervisor, StringComparison.OrdinalIgnoreCase)))
                throw Invalid(path, $"its repository '{storage.Name}' is a storage of the hypervisor "
                    + $"'{storage.Hypervisor}', which is neither in it nor connected");
        }
    }

    /// <summary>
    /// The parser takes an escape that is half of a pair, and throws whenever somebody asks for the text or compares a
    /// name with it.
    /// </summary>
    private static void EnsureWholeCharacters(JsonElement element)
    {
        try
        {
            if (element.ValueKind == JsonValueKind.String) _ = element.GetString();
            if (element.ValueKind == JsonValueKind.Array)
            {
                foreach (JsonElement item in element.EnumerateArray()) EnsureWholeCharacters(item);
            }
            if (element.ValueKind != JsonValueKind.Object) return;
            foreach (JsonProperty member in element.EnumerateObject())
            {
                _ = member.Name;
                EnsureWholeCharacters(member.Value);
            }
        }
        catch (InvalidOperationException e)
        {
            throw new InvalidDataException("a text in it holds half a character", e);
        }
    }

    private static void Write(Utf8JsonWriter json, string member, IEnumerable<ConnectionSettings> settings)
    {
        json.WriteStartArray(member);
        foreach (ConnectionSettings one in settings) JsonSerializer.Serialize(json, one, KnownKinds.Of(one).Form);
        json.WriteEndArray();
    }

    private static ProfileDocument Read(string path, JsonElement root)
    {
        var profile = (ProfileForm)new FormReader("the profile", root).Read(ProfileJson.Default.ProfileForm);
        if (profile.Format != Format) throw new InvalidDataException($"its format is not '{Format}'");
        if (profile.Version != Version)
            throw new InvalidDataException(
                $"its version is {profile.Version}, and this module knows version {Version}");
        string folder = Path.GetDirectoryName(path)!;
        IReadOnlyList<HypervisorSettings> hypervisors = [.. ReadAll<HypervisorSettings>("hypervisors",
            profile.Hypervisors, KnownKinds.Hypervisors)
            .Select(h => h.From(folder))];
        IReadOnlyList<RepositoryConnectionSettings> repositories =
            [.. ReadAll<RepositoryConnectionSettings>("repositories",
            profile.Repositories, KnownKinds.Repositories)
            .Select(r => r.From(folder))];
        EnsureDistinct("hypervisors", hypervisors);
        EnsureDistinct("repositories", repositories);
        return new ProfileDocument(hypervisors, repositories);
    }

    private static IEnumerable<T> ReadAll<T>(string member, IReadOnlyList<JsonElement> items,
        IReadOnlyList<ConnectionKind> kinds)
        where T : ConnectionSettings =>
        items.Select((item, i) => (T)Read(new FormReader(FormattableString.Invariant($"{member}[{i}]"), item), kinds));

    private static ConnectionSettings Read(FormReader reader, IReadOnlyList<ConnectionKind> kinds)
    {
        string name = reader.OneOf("kind", [.. kinds.Select(k => k.Name)]);
        var settings = (ConnectionSettings)reader.Read(kinds.First(k => k.Name == name).Form);
        if (!SessionName.IsValid(settings.Name)) throw reader.Invalid("name cannot be a session's name");
        return settings.Problem is string problem ? throw reader.Invalid(problem) : settings;
    }

    private static void EnsureDistinct(string member, IEnumerable<ConnectionSettings> settings)
    {
        HashSet<string> seen = new(StringComparer.OrdinalIgnoreCase);
        foreach (ConnectionSettings one in settings)
        {
            if (!seen.Add(one.Name)) throw new InvalidDataException($"in {member}, the name '{one.Name}' stands twice");
        }
    }

    private static NataliaException Invalid(string path, string why, Exception? inner = null) =>
        new(ErrorIds.ProfileInvalid, NataliaErrorKind.InvalidData, $"The profile '{path}' cannot be used: {why}.", path,
            "Get-Help Export-NataliaProfile describes the file.", inner);
}
