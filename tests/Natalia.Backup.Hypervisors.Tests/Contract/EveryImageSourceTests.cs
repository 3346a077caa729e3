using System.Reflection;
using Natalia.Backup.Hypervisors.Contract;
using Natalia.Backup.Hypervisors.Folder;
using Natalia.Backup.Testing.Hypervisors;

namespace Natalia.Backup.Hypervisors.Tests.Contract;

/// <summary>Nobody gives disk images without having passed the suite. Proxmox VE gives none.</summary>
public sealed class EveryImageSourceTests
{
    [Fact]
    public void Every_image_source_of_the_product_is_held_to_the_suite()
    {
        string[] sources = [.. Concrete<IImageSource>(typeof(FolderHypervisor).Assembly)];
        string[] suites = [.. Concrete<HypervisorConformance>(typeof(EveryImageSourceTests).Assembly)];

        Assert.Contains(nameof(FolderHypervisor), sources);
        Assert.All(sources,
            s => Assert.Contains(s.Replace("Hypervisor", "", StringComparison.Ordinal)
                .Replace("ImageSource", "", StringComparison.Ordinal) + "ConformanceTests", suites));
    }

    private static IEnumerable<string> Concrete<T>(Assembly assembly) =>
        assembly.GetTypes().Where(t => typeof(T).IsAssignableFrom(t) && !t.IsAbstract).Select(t => t.Name);
}
