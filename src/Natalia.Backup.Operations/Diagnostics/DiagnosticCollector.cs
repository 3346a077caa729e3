using System.Globalization;
using System.Reflection;
using System.Runtime.InteropServices;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Operations.Reports.Content;

namespace Natalia.Backup.Operations.Diagnostics;

/// <summary>
/// Collects what is known of the process, the machine and the session's connections. Asks no server, and reads no
/// repository: it has to work when nothing else does.
/// </summary>
/// <param name="redactor">Takes out what should not be sent.</param>
internal sealed class DiagnosticCollector(Redactor redactor)
{
    private const string Machine = "System", Module = "Module", Network = "Network";

    // Of these the value helps, and is no secret once accounts are taken out.
    private static readonly string[] s_shown = ["HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY", "TMPDIR", "TEMP",
        "LANG", "LC_ALL", "PSModulePath", "DOTNET_SYSTEM_GLOBALIZATION_INVARIANT"];

    // What can be called upon where it is installed.
    private static readonly string[] s_programs = ["qemu-system-x86_64", "qemu-img", "ssh", "systemctl"];

    /// <summary>The environment.</summary>
    internal IReadOnlyList<DiagnosticFact> ReadEnvironment()
    {
        string folder = Path.GetDirectoryName(typeof(DiagnosticCollector).Assembly.Location) ?? "";
        List<DiagnosticFact> facts =
        [
            new(Module, "Version", Report.ThisTool),
            new(Module, "Folder", redactor.Clean(folder)),
            new(Machine, "Operating system", RuntimeInformation.OSDescription.Trim()),
            new(Machine, "Architecture", $"{RuntimeInformation.OSArchitecture}, process "
                + $"{RuntimeInformation.ProcessArchitecture}"),
            new(Machine, "Framework", RuntimeInformation.FrameworkDescription),
            new(Machine, "Processors", Environment.ProcessorCount.ToString(CultureInfo.InvariantCulture)),
            new(Machine, "Time zone", $"{TimeZoneInfo.Local.Id}, {TimeZoneInfo.Local.BaseUtcOffset}"),
            new(Machine, "Culture", $"{NameOf(CultureInfo.CurrentCulture)}, "
                + $"{NameOf(CultureInfo.CurrentUICulture)} for texts"),
            new(Machine, "Room for temporary files", Room(Path.GetTempPath())),
        ];
        using (var process = System.Diagnostics.Process.GetCurrentProcess())
            facts.Add(new DiagnosticFact(Machine, "Working set", ByteSize.Format(process.WorkingSet64)));
        facts.AddRange(s_programs.Select(p => new DiagnosticFact(Machine, p, Find(p) is string found
            ? redactor.Clean(found)
            : "not found")));
        facts.AddRange(Assemblies(folder));
        foreach (System.Collections.DictionaryEntry one in Environment.GetEnvironmentVariables())
        {
            string name = (string)one.Key;
            if (s_shown.Contains(name, StringComparer.OrdinalIgnoreCase))
            {
                bool isProxy = name.EndsWith("_PROXY", StringComparison.OrdinalIgnoreCase);
                facts.Add(new DiagnosticFact(isProxy ? Network : Machine, name,
                    isProxy ? redactor.CleanProxy((string?)one.Value) : redactor.Clean((string?)one.Value)));
            }
            // Of others that are ours, only that they are set: somebody may keep a password there.
            else if (name.StartsWith("NATALIA_", StringComparison.OrdinalIgnoreCase))
                facts.Add(new DiagnosticFact(Machine, name, "set"));
        }
        return [.. facts.OrderBy(f => f.Area, StringComparer.Ordinal)];
    }

    /// <summary>The connections of a session.</summary>
    internal IReadOnlyList<DiagnosticConnection> ReadConnections(SessionRegistry registry) =>
    [
        .. registry.Hypervisors.All.Select(h => new DiagnosticConnection("Hypervisor", h.Name, h.Session.Kind,
            redactor.Clean(h.Session.Location), "connected " + Utc(h.Session.ConnectedUtc))),
        .. registry.Hypervisors.Away.Select(a => Away("Hypervisor", a)),
        .. registry.Repositories.All.Select(r => new DiagnosticConnection("Repository", r.Name, r.Session.StoreKind,
            redactor.Clean(r.Session.Location), Describe(r.Session))),
        .. registry.Repositories.Away.Select(a => Away("Repository", a)),
    ];

    private DiagnosticConnection Away(string what, AwayConnection away) => new(what, away.Name, null, null,
        redactor.Clean($"not connected ({away.Why.ErrorId}): {away.Why.Message}"));

    private static string Describe(RepositorySession session) => string.Join(", ", new[]
    {
        $"id {session.RepositoryId}",
        session.FormatVersion > 0 ? $"format {session.FormatVersion}" : "",
        session.IsEncrypted is bool isEncrypted ? isEncrypted ? "encrypted" : "not encrypted" : "",
        session.IsUnlocked ? "" : "opened without its password",
        session.ImmutableDays is int days ? $"locks for {days} days" : "",
        session.EvidenceRepository is string evidence ? $"evidence in '{evidence}'" : "",
        "connected " + Utc(session.ConnectedUtc),
    }.Where(p => p.Length > 0));

    /// <summary>
    /// The libraries of the module's folder that are loaded, and those of the same names that came from elsewhere:
    /// another module's copy is what makes this one fail.
    /// </summary>
    private IEnumerable<DiagnosticFact> Assemblies(string folder)
    {
        var loaded = AppDomain.CurrentDomain.GetAssemblies().Where(a => !a.IsDynamic)
            .Select(a => (a.GetName().Name, Version: VersionOf(a), Location: LocationOf(a)))
            .Where(a => a.Name is not null && a.Location.Length > 0)
            .OrderBy(a => a.Name, StringComparer.Ordinal).ToList();
        var own = new HashSet<string?>(loaded.Where(a => IsIn(folder, a.Location)).Select(a => a.Name),
            StringComparer.OrdinalIgnoreCase);
        foreach ((string? name, string version, string location) in loaded)
        {
            if (IsIn(folder, location)) yield return new DiagnosticFact("Libraries", name!, version);
            else if (own.Contains(name))
                yield return new DiagnosticFact("Libraries", name!,
                    $"{version}, from elsewhere: {redactor.Clean(location)}");
        }
    }

    /// <summary>The version that people know, without the source's.</summary>
    private static string VersionOf(Assembly assembly) =>
        assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion.Split('+')[0]
        ?? $"{assembly.GetName().Version}";

    private static string NameOf(CultureInfo culture) => culture.Name.Length > 0 ? culture.Name : "invariant";

    private static string LocationOf(Assembly assembly)
    {
        try
        {
            return assembly.Location;
        }
        catch (NotSupportedException)
        {
            // One that was made in memory.
            return "";
        }
    }

    private static bool IsIn(string folder, string file) => folder.Length > 0
        && file.StartsWith(folder + Path.DirectorySeparatorChar, StringComparison.OrdinalIgnoreCase);

    private string Room(string folder)
    {
        try
        {
            return $"{ByteSize.Format(new DriveInfo(Path.GetFullPath(folder)).AvailableFreeSpace)} free in "
                + redactor.Clean(folder);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or ArgumentException)
        {
            return redactor.Clean($"not known of {folder}: {e.Message}");
        }
    }

    private static string? Find(string program)
    {
        string[] names = RuntimeInformation.IsOSPlatform(OSPlatform.Windows) ? [program + ".exe"] : [program];
        foreach (string folder in (Environment.GetEnvironmentVariable("PATH") ?? "")
            .Split(Path.PathSeparator).Where(f => f.Length > 0))
        {
            foreach (string name in names)
            {
                try
                {
                    string file = Path.Combine(folder, name);
                    if (File.Exists(file)) return file;
                }
                catch (ArgumentException)
                {
                    // No path at all: the system passes over it as well.
                }
            }
        }
        return null;
    }

    private static string Utc(DateTime time) => time.ToString("u", CultureInfo.InvariantCulture);
}
