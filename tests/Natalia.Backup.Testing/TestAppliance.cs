using System.Diagnostics;
using System.Globalization;

namespace Natalia.Backup.Testing;

/// <summary>The test appliance of <c>tests/servers/appliance</c>: a Debian VM with PostgreSQL, switched off.</summary>
/// <param name="Folder">Where it lies: <c>vm.json</c>, <c>system.raw</c>, <c>data.raw</c>.</param>
/// <param name="CdrCount">How many call records it has of the business day before now.</param>
public sealed record TestAppliance(string Folder, long CdrCount)
{
    /// <summary>The image of the system disk.</summary>
    public string SystemImage => Path.Combine(Folder, "system.raw");

    /// <summary>The image of the data disk.</summary>
    public string DataImage => Path.Combine(Folder, "data.raw");

    /// <summary>Makes one. The first one on a machine takes minutes, later ones seconds.</summary>
    /// <param name="folder">Where.</param>
    public static TestAppliance Make(string folder)
    {
        using Process make = Process.Start(new ProcessStartInfo("bash",
            [Path.Combine(BuildLayout.RepositoryRoot, "tests", "servers", "appliance", "make.sh"), folder])
        {
            RedirectStandardOutput = true,
        })!;
        string output = make.StandardOutput.ReadToEnd();
        make.WaitForExit();
        if (make.ExitCode != 0) throw new InvalidOperationException(output);
        return new TestAppliance(folder, long.Parse(output.TrimEnd().Split('\n')[^1], CultureInfo.InvariantCulture));
    }
}
