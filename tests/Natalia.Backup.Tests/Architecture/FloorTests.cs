using System.Reflection;
using System.Text.RegularExpressions;
using ArchUnitNET.Domain;
using ArchUnitNET.Loader;
using Natalia.Backup.Engine.Repositories;
using Natalia.Backup.Hypervisors.Proxmox;
using Natalia.Backup.Storage.S3;
using Assembly = System.Reflection.Assembly;

namespace Natalia.Backup.Tests.Architecture;

/// <summary>
/// The folders of the engine are floors: what stands on one may look down, never up, so that a reader can begin at the bottom and no circle closes unseen.
/// A new folder gets its place in the list.
/// </summary>
public sealed class FloorTests
{
    private const string Root = "Natalia.Backup.Engine";

    /// <summary>From the roof to the ground. The last one is the engine's own folder: errors, clocks, names.</summary>
    private static readonly string[] s_floors =
    [
        "Repositories", "Repair", "Backup", "Copy", "Verification", "Reclaim", "Restore", "Keys", "Immutability", "Runs", "Points", "BlockMap", "Core",
        "Leases", "Retention", "Packs", "Audit", "Sealing", "Storage.Folders", "Storage.Wrappers", "Storage", "Disks", "Files", "Compression", "Network",
        "Model", "Format", "",
    ];

    private static readonly string s_sources = Path.Combine(
        typeof(FloorTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(a => a.Key == "RepositoryRoot").Value!, "src");

    /// <summary>By what the compiler made of it: whatever is called, held, caught or returned.</summary>
    [Fact]
    public void Nothing_in_the_engine_uses_what_stands_above_it()
    {
        ArchUnitNET.Domain.Architecture engine = new ArchLoader().LoadAssemblies(typeof(Repository).Assembly).Build();
        IEnumerable<string> up =
            from type in engine.Types
            where IsOurs(type.Namespace?.FullName)
            from target in type.Dependencies.Select(d => d.Target).Distinct()
            where IsOurs(target.Namespace?.FullName) && Floor(target.Namespace!.FullName) < Floor(type.Namespace!.FullName)
            select $"{type.FullName} uses {target.FullName}";
        Assert.Empty(up.Distinct());
    }

    /// <summary>By what is written: constants and references of comments leave no trace in the assembly.</summary>
    [Fact]
    public void Nothing_in_the_engine_names_what_stands_above_it()
    {
        var up = new List<string>();
        foreach (string file in Sources(Root))
        {
            string text = File.ReadAllText(file);
            int floor = Floor(Folder(file, Root));
            foreach (Match used in Regex.Matches(text, @"^using (?:static )?(Natalia\.Backup\.Engine[\w.]*);", RegexOptions.Multiline))
            {
                if (Floor(used.Groups[1].Value) < floor) up.Add($"{file} uses {used.Groups[1].Value}");
            }
        }
        Assert.Empty(up);
    }

    [Theory]
    [InlineData(Root)]
    [InlineData("Natalia.Backup.Storage.S3")]
    [InlineData("Natalia.Backup.Hypervisors")]
    public void Namespaces_are_folders(string project) =>
        Assert.All(Sources(project), f => Assert.Matches($@"(?m)^namespace {Regex.Escape(Folder(f, project))};", File.ReadAllText(f)));

    /// <summary>Cmdlets stand on hypervisors and stores, these on the engine, and only the cmdlets see PowerShell.</summary>
    [Fact]
    public void Projects_look_down()
    {
        Assert.Empty(Uses(typeof(Repository).Assembly));
        Assert.Equal([Root], Uses(typeof(S3Store).Assembly));
        Assert.Equal([Root], Uses(typeof(ProxmoxHypervisor).Assembly));

        static IEnumerable<string> Uses(Assembly assembly) => assembly.GetReferencedAssemblies().Select(a => a.Name!)
            .Where(n => n.StartsWith("Natalia.", StringComparison.Ordinal) || n == "System.Management.Automation");
    }

    private static bool IsOurs(string? name) => name == Root || name?.StartsWith(Root + ".", StringComparison.Ordinal) == true;

    private static int Floor(string name)
    {
        int floor = Array.IndexOf(s_floors, name == Root ? "" : name.Substring(Root.Length + 1));
        Assert.True(floor >= 0, $"{name} has no place in the list of floors.");
        return floor;
    }

    private static IEnumerable<string> Sources(string project) => Directory.EnumerateFiles(Path.Combine(s_sources, project), "*.cs", SearchOption.AllDirectories)
        .Where(f => !Regex.IsMatch(Path.GetRelativePath(s_sources, f), @"[\\/](bin|obj)[\\/]"));

    private static string Folder(string file, string project)
    {
        string folder = Path.GetRelativePath(Path.Combine(s_sources, project), Path.GetDirectoryName(file)!);
        return folder == "." ? project : project + "." + folder.Replace(Path.DirectorySeparatorChar, '.');
    }
}
