using System.Text.RegularExpressions;
using ArchUnitNET.Domain;
using ArchUnitNET.Loader;
using Natalia.Backup.Commands;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.Operations.Connections;
using Natalia.Backup.Serving.Nbd;
using Natalia.Backup.Storage.S3;
using Natalia.Backup.Testing;
using Assembly = System.Reflection.Assembly;

namespace Natalia.Backup.Cmdlets.Tests.Architecture;

/// <summary>
/// The folders of a project are floors: what stands on one may look down, never up, so that a reader can begin at the
/// bottom and no circle closes unseen. A new folder gets its place in its project's list, a new project its list.
/// </summary>
public sealed class FloorTests
{
    private const string Engine = "Natalia.Backup.Engine";
    private const string Hypervisors = "Natalia.Backup.Hypervisors";
    private const string S3 = "Natalia.Backup.Storage.S3";
    private const string Serving = "Natalia.Backup.Serving";
    private const string Operations = "Natalia.Backup.Operations";
    private const string Cmdlets = "Natalia.Backup";

    /// <summary>From the roof to the ground, by project. The empty name is the project's own folder.</summary>
    private static readonly Dictionary<string, (Assembly Assembly, string[] Floors)> s_projects = new(
        StringComparer.Ordinal)
    {
        [Engine] = (typeof(Repository).Assembly,
        [
            "Repositories", "Repair", "Backup", "Copy", "Verification", "Reclaim", "Restore", "Keys", "Immutability",
            "Runs", "Points", "BlockMap", "Core",
            "Leases", "Retention", "Packs", "Audit", "Sealing", "Storage.Folders", "Storage.Wrappers", "Storage",
            "Disks.Images", "Disks.Vmdk", "Disks.Vhdx", "Disks.Vhd", "Disks", "Files", "Compression", "Network",
            "Model", "Format", "",
        ]),
        [Hypervisors] = (typeof(ProxmoxHypervisor).Assembly,
        [
            "Qemu", "Qemu.Live", "Qemu.Machines", "Qemu.Protocol", "Configurations", "Folder",
            "Proxmox", "Proxmox.Restores", "Proxmox.Backups", "Proxmox.Jobs", "Proxmox.Notes",
            "Proxmox.Cluster", "Proxmox.BackupServer", "Proxmox.Rest",
            "HyperV", "HyperV.Builds", "HyperV.Replication", "HyperV.Backups", "HyperV.Tracking", "HyperV.Checkpoints",
            "HyperV.Guests", "HyperV.Inventory", "HyperV.Notes", "HyperV.Wmi", "HyperV.Windows", "HyperV.Cim",
            "VSphere", "VSphere.Guests", "VSphere.Builds", "VSphere.Backups", "VSphere.Reading",
            "VSphere.ChangeTracking", "VSphere.Snapshots", "VSphere.Inventory", "VSphere.Client",
            "Ssh", "Contract", "Access",
        ]),
        [Serving] = (typeof(NbdServer).Assembly, ["Nbd", "Iscsi", "Scsi", "Network", "Overlays", "Disks"]),
        [Operations] = (typeof(RepositorySession).Assembly, ["Schedules", "Schedules.Systemd",
            "Schedules.TaskScheduler", "Schedules.Model", "Profiles", "Diagnostics", "Reports", "Reports.Html",
            "Reports.Csv", "Reports.Metrics", "Reports.Json", "Reports.Signing", "Reports.Content", "Recovery", "RestoreTests",
            "Restore", "Backup", "Evidence", "Retention", "Points", "Appliances", "Connections", "Mounts", "Kinds",
            "Exports", "Guests", "BusinessDays", "Text", "Output"]),
        [Cmdlets] = (typeof(NataliaCommand).Assembly, ["Commands", "Arguments", "Sessions", "Pipeline", "Errors", ""]),
    };

    public static TheoryData<string> Projects => [.. s_projects.Keys];

    private static readonly string s_sources = Path.Combine(BuildLayout.RepositoryRoot, "src");

    /// <summary>
    /// The names of all projects, the longest first: that of the cmdlets is the beginning of every other one.
    /// </summary>
    private static readonly string[] s_names = [.. Directory.EnumerateDirectories(s_sources)
        .Select(d => Path.GetFileName(d)).OrderByDescending(n => n.Length)];

    public static TheoryData<string> Names => [.. s_names];

    /// <summary>By what the compiler made of it: whatever is called, held, caught or returned.</summary>
    [Theory]
    [MemberData(nameof(Projects))]
    public void Nothing_uses_what_stands_above_it(string project)
    {
        ArchUnitNET.Domain.Architecture built = new ArchLoader().LoadAssemblies(s_projects[project].Assembly).Build();
        IEnumerable<string> up =
            from type in built.Types
            where IsOf(project, type.Namespace?.FullName)
            // The reader of assemblies takes type parameters of one name for one.
            from target in type.Dependencies.Select(d => d.Target).Distinct().Where(t => t is not GenericParameter)
            where IsOf(project, target.Namespace?.FullName)
                && Floor(project, target.Namespace!.FullName) < Floor(project, type.Namespace!.FullName)
            select $"{type.FullName} uses {target.FullName}";
        Assert.True(!up.Any(), string.Join("\n", up.Distinct()));
    }

    /// <summary>By what is written: constants and references of comments leave no trace in the assembly.</summary>
    [Theory]
    [MemberData(nameof(Projects))]
    public void Nothing_names_what_stands_above_it(string project)
    {
        var up = new List<string>();
        foreach (string file in Sources(project))
        {
            string text = File.ReadAllText(file);
            int floor = Floor(project, Folder(file, project));
            foreach (Match used in Regex.Matches(text, $@"^using (?:static )?({Regex.Escape(project)}[\w.]*);",
                RegexOptions.Multiline))
            {
                string name = used.Groups[1].Value;
                if (IsOf(project, name) && Floor(project, name) < floor) up.Add($"{file} uses {name}");
            }
        }
        Assert.Empty(up);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Namespaces_are_folders(string project) =>
        Assert.All(Sources(project),
            f => Assert.Matches($@"(?m)^namespace {Regex.Escape(Folder(f, project))};", File.ReadAllText(f)));

    /// <summary>
    /// Cmdlets stand on operations, these on hypervisors and stores, these on the engine; and of all of them only the
    /// cmdlets see PowerShell.
    /// </summary>
    [Fact]
    public void Projects_look_down()
    {
        Assert.Empty(Uses(typeof(Repository).Assembly));
        Assert.Equal([Engine], Uses(typeof(S3Store).Assembly));
        Assert.Equal([Engine], Uses(typeof(ProxmoxHypervisor).Assembly));
        Assert.Equal([Engine], Uses(typeof(NbdServer).Assembly));
        Assert.Equal([Engine, Hypervisors, Serving, S3], Uses(typeof(RepositorySession).Assembly));

        static IEnumerable<string> Uses(Assembly assembly) => assembly.GetReferencedAssemblies().Select(a => a.Name!)
            .Where(n => n.StartsWith("Natalia.", StringComparison.Ordinal) || n == "System.Management.Automation")
            .Order(StringComparer.Ordinal);
    }

    private static bool IsOf(string project, string? name) =>
        Array.Find(s_names, p => name == p || name?.StartsWith(p + ".", StringComparison.Ordinal) == true) == project;

    private static int Floor(string project, string name)
    {
        int floor = Array.IndexOf(s_projects[project].Floors,
            name == project ? "" : name.Substring(project.Length + 1));
        Assert.True(floor >= 0, $"{name} has no place in the list of floors.");
        return floor;
    }

    private static IEnumerable<string> Sources(string project) =>
        Directory.EnumerateFiles(Path.Combine(s_sources, project), "*.cs", SearchOption.AllDirectories)
        .Where(f => !Regex.IsMatch(Path.GetRelativePath(s_sources, f), @"[\\/](bin|obj)[\\/]"));

    private static string Folder(string file, string project)
    {
        string folder = Path.GetRelativePath(Path.Combine(s_sources, project), Path.GetDirectoryName(file)!);
        return folder == "." ? project : project + "." + folder.Replace(Path.DirectorySeparatorChar, '.');
    }
}
