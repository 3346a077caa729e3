using System.Text;
using System.Text.Json;
using Natalia.Backup.Engine.Format;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Engine.Points;

/// <summary>How settings of restore tests are stored, here and in a hypervisor's notes. docs/format.md §9.</summary>
public static class RestoreTestSettingsJson
{
    private static readonly HashSet<string> s_members = new(StringComparer.Ordinal)
    {
        "testBench", "systemImage", "isolatedNetwork", "guestCredential", "sshHostKey", "sshKeyFile",
        "integrityCommand", "auditCommand", "cdrCountCommand", "businessCalendar", "tolerance", "bootTimeoutMinutes",
        "commandTimeoutMinutes", "restoreTimeoutMinutes",
    };

    /// <summary>The settings as one JSON object.</summary>
    /// <param name="settings">The settings.</param>
    public static string Encode(RestoreTestSettings settings) =>
        Encoding.UTF8.GetString(JsonText.Write(json =>
        {
            json.WriteStartObject();
            WriteMembers(json, settings);
            json.WriteEndObject();
        }));

    /// <summary>Reads them again.</summary>
    /// <param name="text">The JSON object.</param>
    /// <exception cref="FormatException">It is not what was written.</exception>
    public static RestoreTestSettings Decode(string text)
    {
        using JsonDocument document = JsonText.Parse(text);
        return Read(document.RootElement);
    }

    /// <summary>Whether two say the same.</summary>
    /// <param name="one">The one; null says nothing.</param>
    /// <param name="other">The other.</param>
    public static bool AreSame(RestoreTestSettings? one, RestoreTestSettings? other) =>
        Encode(one ?? new RestoreTestSettings()) == Encode(other ?? new RestoreTestSettings());

    internal static void Write(Utf8JsonWriter json, string name, RestoreTestSettings? settings)
    {
        if (settings is null) return;
        json.WriteStartObject(name);
        WriteMembers(json, settings);
        json.WriteEndObject();
    }

    internal static RestoreTestSettings? ReadOrNull(JsonElement element, string name) =>
        element.TryGet(name, out JsonElement value) && value.ValueKind == JsonValueKind.Object ? Read(value) : null;

    private static void WriteMembers(Utf8JsonWriter json, RestoreTestSettings settings)
    {
        Text("testBench", settings.TestBench);
        Text("systemImage", settings.SystemImage);
        Text("isolatedNetwork", settings.IsolatedNetwork);
        Text("guestCredential", settings.GuestCredential);
        Text("sshHostKey", settings.SshHostKey);
        Text("sshKeyFile", settings.SshKeyFile);
        Command("integrityCommand", settings.IntegrityCommand);
        Command("auditCommand", settings.AuditCommand);
        Command("cdrCountCommand", settings.CdrCountCommand);
        Text("businessCalendar", settings.BusinessCalendar);
        if (settings.Tolerance is decimal tolerance) json.WriteNumber("tolerance", tolerance);
        if (settings.BootTimeoutMinutes is int boot) json.WriteNumber("bootTimeoutMinutes", boot);
        if (settings.CommandTimeoutMinutes is int command) json.WriteNumber("commandTimeoutMinutes", command);
        if (settings.RestoreTimeoutMinutes is int restore) json.WriteNumber("restoreTimeoutMinutes", restore);
        JsonMembers.Write(json, settings.UnknownMembers);

        void Text(string name, string? text)
        {
            if (text is not null) json.WriteString(name, text);
        }

        void Command(string name, IReadOnlyList<string>? arguments)
        {
            if (arguments is null) return;
            json.WriteStartArray(name);
            foreach (string argument in arguments) json.WriteStringValue(argument);
            json.WriteEndArray();
        }
    }

    private static RestoreTestSettings Read(JsonElement element)
    {
        return new RestoreTestSettings
        {
            TestBench = element.ReadStringOrNull("testBench"),
            SystemImage = element.ReadStringOrNull("systemImage"),
            IsolatedNetwork = element.ReadStringOrNull("isolatedNetwork"),
            GuestCredential = element.ReadStringOrNull("guestCredential"),
            SshHostKey = element.ReadStringOrNull("sshHostKey"),
            SshKeyFile = element.ReadStringOrNull("sshKeyFile"),
            IntegrityCommand = Command("integrityCommand"),
            AuditCommand = Command("auditCommand"),
            CdrCountCommand = Command("cdrCountCommand"),
            BusinessCalendar = element.ReadStringOrNull("businessCalendar"),
            Tolerance = element.TryGet("tolerance", out JsonElement value) && value.ValueKind == JsonValueKind.Number
                ? value.TryGetDecimal(out decimal tolerance) && tolerance is >= 0 and <= 100
                    ? tolerance
                    : throw new FormatException("The tolerance is impossible.")
                : null,
            BootTimeoutMinutes = (int?)element.ReadLongOrNull("bootTimeoutMinutes", 1, int.MaxValue),
            CommandTimeoutMinutes = (int?)element.ReadLongOrNull("commandTimeoutMinutes", 1, int.MaxValue),
            RestoreTimeoutMinutes = (int?)element.ReadLongOrNull("restoreTimeoutMinutes", 1, int.MaxValue),
            UnknownMembers = JsonMembers.Unknown(element, s_members),
        };

        string[]? Command(string name) =>
            element.TryGet(name, out JsonElement value) && value.ValueKind == JsonValueKind.Array
                ? [.. value.EnumerateArray().Select(a => a.ReadText())]
                : null;
    }
}
