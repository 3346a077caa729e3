using System.Globalization;
using System.Text.Json;
using System.Text.Json.Serialization;
using System.Text.RegularExpressions;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Contract;

namespace Natalia.Backup.Operations.Schedules.Model;

/// <summary>
/// A schedule of this machine: what its runs do, when, and how they are started. Kept as a mark in what the system has
/// of it, and holds no secret.
/// </summary>
internal sealed record ScheduleDefinition
{
    /// <summary>
    /// With what the ids of own schedules begin. Those of Proxmox VE are <c>natalia-</c> and a number.
    /// </summary>
    internal const string Prefix = "natalia-backup-";

    /// <summary>Between the names of a list on a command line; names that hold it are refused.</summary>
    internal const char Separator = '|';

    /// <summary>With what the id of a schedule's restore tests ends.</summary>
    private const string RestoreTestEnding = ".restore-test";

    private const int LongestName = 48;

    private static readonly Regex s_name = new(@"^[A-Za-z0-9]([A-Za-z0-9_-]*[A-Za-z0-9])?\z",
        RegexOptions.CultureInvariant);

    /// <summary>The version of the mark.</summary>
    public int Version { get; init; } = 1;
    /// <summary>Its name: letters, digits, - and _.</summary>
    public required string Name { get; init; }
    /// <summary>The profile, a full path.</summary>
    public required string ProfilePath { get; init; }
    /// <summary>Daily or SixHourly.</summary>
    public required ScheduleKind Kind { get; init; }
    /// <summary>The time of day of the full, <c>HH:mm</c>, in the machine's zone.</summary>
    public required string At { get; init; }
    /// <summary>Names and wildcards; empty for every enrolled appliance.</summary>
    public IReadOnlyList<string> Appliances { get; init => field = value ?? []; } = [];
    /// <summary>Repositories of the profile.</summary>
    public IReadOnlyList<string> CopyTo { get; init => field = value ?? []; } = [];
    /// <summary>Whether a restore is tested every quarter.</summary>
    public bool QuarterlyRestoreTest { get; init; }
    /// <summary>The hypervisor of the profile that runs the test VMs; null leaves the choice.</summary>
    public string? TestBench { get; init; }
    /// <summary>A script that gives secrets by name, a full path; null for Get-Secret.</summary>
    public string? SecretScript { get; init; }
    /// <summary>Where each run writes its log, a full path; null for standard output alone.</summary>
    public string? LogFolder { get; init; }
    /// <summary>Who runs it; null for the system's default.</summary>
    public string? Account { get; init; }
    /// <summary>False keeps it, but never starts it.</summary>
    public bool IsEnabled { get; init; } = true;
    /// <summary>The PowerShell that runs it, a full path.</summary>
    public required string Program { get; init; }
    /// <summary>What the program needs before PowerShell's own arguments.</summary>
    public IReadOnlyList<string> ProgramArguments { get; init => field = value ?? []; } = [];
    /// <summary>The script of the module, a full path.</summary>
    public required string Script { get; init; }

    /// <summary>The id of the schedule, and the name of its task or unit.</summary>
    [JsonIgnore]
    public string ScheduleId => Prefix + Name;

    /// <summary>The id of the task or unit that tests restores.</summary>
    [JsonIgnore]
    public string RestoreTestId => RestoreTestIdOf(ScheduleId);

    /// <summary>The time of day of the full.</summary>
    [JsonIgnore]
    public TimeSpan AtTime => TimeSpan.ParseExact(At, @"hh\:mm", CultureInfo.InvariantCulture);

    internal static string RestoreTestIdOf(string scheduleId) => scheduleId + RestoreTestEnding;

    /// <summary>The id of the schedule that a task or unit belongs to: its own, or what is left of that of restore
    /// tests.</summary>
    internal static string ScheduleIdOf(string id) => id.EndsWith(RestoreTestEnding, StringComparison.Ordinal)
        ? id.Substring(0, id.Length - RestoreTestEnding.Length)
        : id;

    /// <summary>Whether a text can be the id of a schedule with a profile.</summary>
    internal static bool IsScheduleId(string id) =>
        id.StartsWith(Prefix, StringComparison.Ordinal) && IsName(id.Substring(Prefix.Length));

    /// <summary>Whether a text can be the name of one.</summary>
    internal static bool IsName(string name) => name.Length <= LongestName && s_name.IsMatch(name);

    /// <summary>A name that is made of the profile's.</summary>
    internal static string NameOf(string profilePath)
    {
        string name = Regex.Replace(Path.GetFileNameWithoutExtension(profilePath), "[^A-Za-z0-9]+", "-",
            RegexOptions.CultureInvariant).Trim('-');
        if (name.Length > LongestName) name = name.Substring(0, LongestName).Trim('-');
        return name.Length == 0 ? "profile" : name;
    }

    /// <summary>Refuses what could not be written down, or would be read as something else.</summary>
    /// <exception cref="NataliaException"><c>ScheduleInvalid</c>.</exception>
    internal void EnsureValid()
    {
        if (!IsName(Name))
            throw Invalid($"'{Name}' cannot be the name of a schedule",
                $"Names have 1 to {LongestName} letters, digits, '-' and '_', and begin and end with one of the "
                + "former.");
        foreach (string text in Appliances.Concat(CopyTo).Concat(TestBench is null ? [] : [TestBench]))
        {
            if (text.Length == 0 || text.IndexOf(Separator) >= 0 || text.Any(char.IsControl) || IsDash(text[0]))
                throw Invalid($"'{text}' cannot stand on the command line of a task",
                    "Write a wildcard for it: ? stands for any one character.");
        }
        foreach (string path in new[] { ProfilePath, Program, Script }.Concat(ProgramArguments)
            .Concat(new[] { SecretScript, LogFolder }.OfType<string>()))
        {
            if (path.Any(char.IsControl))
                throw Invalid($"the path '{path}' holds a control character", "Choose another place.");
        }
    }

    /// <summary>The mark.</summary>
    internal string ToMark() => JsonSerializer.Serialize(this, ScheduleJson.Default.ScheduleDefinition);

    /// <summary>Reads a mark; null when it is none, or of a newer version.</summary>
    internal static ScheduleDefinition? TryParse(string? mark)
    {
        if (string.IsNullOrWhiteSpace(mark)) return null;
        try
        {
            ScheduleDefinition? read = JsonSerializer.Deserialize(mark!, ScheduleJson.Default.ScheduleDefinition);
            if (read is not { Version: 1 } || !TimeSpan.TryParseExact(read.At, @"hh\:mm", CultureInfo.InvariantCulture,
                out _))
                return null;
            read.EnsureValid();
            return read;
        }
        catch (Exception e) when (e is JsonException or NataliaException)
        {
            return null;
        }
    }

    /// <summary>PowerShell takes all of these for the beginning of a parameter's name.</summary>
    private static bool IsDash(char c) => c is '-' or '\u2013' or '\u2014' or '\u2015';

    private static NataliaException Invalid(string why, string recommendation) =>
        new(ErrorIds.ScheduleInvalid, NataliaErrorKind.InvalidArgument, $"Nothing was registered: {why}.", null,
            recommendation);
}

/// <summary>How a mark is read and written, made by the compiler.</summary>
[JsonSourceGenerationOptions(
    PropertyNamingPolicy = JsonKnownNamingPolicy.CamelCase,
    DefaultIgnoreCondition = JsonIgnoreCondition.WhenWritingNull,
    UnmappedMemberHandling = JsonUnmappedMemberHandling.Disallow,
    UseStringEnumConverter = true)]
[JsonSerializable(typeof(ScheduleDefinition))]
internal sealed partial class ScheduleJson : JsonSerializerContext;
