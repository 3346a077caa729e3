using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Natalia.Backup.Engine.Model;

namespace Natalia.Backup.Operations.RestoreTests;

/// <summary>A restore test as a log keeps it. docs/format.md §9.</summary>
internal static class RestoreTestJson
{
    private static readonly JsonWriterOptions s_options =
        new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    internal static string Encode(RestoreTest test)
    {
        using var memory = new MemoryStream();
        using (var json = new Utf8JsonWriter(memory, s_options))
        {
            json.WriteStartObject();
            json.WriteString("test", test.RestoreTestId);
            json.WriteString("name", test.ApplianceName);
            json.WriteString("pointTimeUtc", Time(test.PointTimeUtc));
            json.WriteString("result", test.Result.ToString());
            Text(json, "why", test.Reason);
            json.WriteString("bench", test.TestBench);
            json.WriteString("benchKind", test.TestBenchKind);
            Text(json, "vm", test.TestVM);
            if (test.IsKept) json.WriteBoolean("kept", true);
            Text(json, "systemImage", test.SystemImage);
            if (test.SizeBytes is long size) json.WriteNumber("sizeBytes", size);
            if (test.AllocatedBytes is long allocated) json.WriteNumber("allocatedBytes", allocated);
            json.WriteString("startedUtc", Time(test.StartedUtc));
            json.WriteNumber("durationTicks", test.Duration.Ticks);
            if (test.IsFromRepository) json.WriteBoolean("fromRepository", true);
            if (test.RestoreDuration is TimeSpan restore) json.WriteNumber("restoreTicks", restore.Ticks);
            json.WriteNumber("bootTicks", test.BootDuration.Ticks);
            json.WriteNumber("checksTicks", test.ChecksDuration.Ticks);
            json.WriteStartArray("checks");
            foreach (CheckResult check in test.Checks)
            {
                json.WriteStartObject();
                json.WriteString("name", check.Name);
                json.WriteString("result", check.Result.ToString());
                Text(json, "target", check.Target);
                Text(json, "expected", check.Expected);
                Text(json, "actual", check.Actual);
                Text(json, "tolerance", check.Tolerance);
                json.WriteNumber("ticks", check.Duration.Ticks);
                Text(json, "detail", check.Detail);
                Text(json, "errorId", check.ErrorId);
                json.WriteEndObject();
            }
            json.WriteEndArray();
            json.WriteEndObject();
        }
        return Encoding.UTF8.GetString(memory.ToArray());
    }

    /// <summary>Reads a test again.</summary>
    /// <param name="text">What was kept.</param>
    /// <param name="applianceId">Whose log it stands in.</param>
    /// <param name="restorePointId">The point.</param>
    /// <param name="repositoryId">The repository that holds the point.</param>
    /// <exception cref="FormatException">It is not what was written.</exception>
    internal static RestoreTest Decode(string text, string applianceId, string restorePointId, string repositoryId)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(text);
            JsonElement root = document.RootElement;
            return new RestoreTest
            {
                RestoreTestId = Text(root, "test") ?? throw new FormatException("The test has no id."),
                ApplianceId = applianceId,
                ApplianceName = Text(root, "name") ?? applianceId,
                RestorePointId = restorePointId,
                PointTimeUtc = Time(root, "pointTimeUtc"),
                RepositoryId = repositoryId,
                Result = Enum.TryParse(Text(root, "result"), out RestoreTestResult result)
                    && Enum.IsDefined(typeof(RestoreTestResult), result)
                    ? result
                    : throw new FormatException("The test has no result."),
                Reason = Text(root, "why"),
                TestBench = Text(root, "bench") ?? "",
                TestBenchKind = Text(root, "benchKind") ?? "",
                TestVM = Text(root, "vm"),
                IsKept = Flag(root, "kept"),
                IsFromRepository = Flag(root, "fromRepository"),
                SystemImage = Text(root, "systemImage"),
                SizeBytes = root.TryGetProperty("sizeBytes", out JsonElement size) ? size.GetInt64() : null,
                AllocatedBytes = root.TryGetProperty("allocatedBytes", out JsonElement allocated)
                    ? allocated.GetInt64()
                    : null,
                StartedUtc = Time(root, "startedUtc"),
                Duration = Ticks(root, "durationTicks"),
                RestoreDuration = root.TryGetProperty("restoreTicks", out _) ? Ticks(root, "restoreTicks") : null,
                BootDuration = Ticks(root, "bootTicks"),
                ChecksDuration = Ticks(root, "checksTicks"),
                Checks = [.. root.GetProperty("checks").EnumerateArray().Select(c => new CheckResult
                {
                    Name = Text(c, "name") ?? "",
                    // A result of a newer version is no evidence for this one.
                    Result = Enum.TryParse(Text(c, "result"), out CheckOutcome outcome)
                        && Enum.IsDefined(typeof(CheckOutcome), outcome) ? outcome : CheckOutcome.NotEvidenced,
                    Target = Text(c, "target"),
                    Expected = Text(c, "expected"),
                    Actual = Text(c, "actual"),
                    Tolerance = Text(c, "tolerance"),
                    Duration = Ticks(c, "ticks"),
                    Detail = Text(c, "detail"),
                    ErrorId = Text(c, "errorId"),
                    ApplianceId = applianceId,
                    RestorePointId = restorePointId,
                    RepositoryId = repositoryId,
                })],
            };
        }
        catch (Exception e) when (e is JsonException or KeyNotFoundException or InvalidOperationException)
        {
            throw new FormatException("The record holds no restore test.", e);
        }
    }

    private static void Text(Utf8JsonWriter json, string name, string? text)
    {
        if (text is not null) json.WriteString(name, text);
    }

    private static string? Text(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;

    private static bool Flag(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.True;

    private static TimeSpan Ticks(JsonElement element, string name) =>
        element.TryGetProperty(name, out JsonElement value) ? TimeSpan.FromTicks(value.GetInt64()) : TimeSpan.Zero;

    private static string Time(DateTime utc) =>
        utc.ToUniversalTime().ToString("yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture);

    private static DateTime Time(JsonElement element, string name) =>
        DateTime.TryParseExact(Text(element, name), "yyyy-MM-dd'T'HH:mm:ss.fffffff'Z'", CultureInfo.InvariantCulture,
            DateTimeStyles.AdjustToUniversal | DateTimeStyles.AssumeUniversal, out DateTime time)
            ? time
            : throw new FormatException($"The member '{name}' is not a time.");
}
