using System.Reflection;
using System.Runtime.Versioning;
using Natalia.Backup.Engine;
using Natalia.Backup.Hypervisors.Proxmox;

[assembly: AssemblyTrait("Category", "SecondRuntime")]

namespace Natalia.Backup.Hypervisors.NetStandard.Tests;

public sealed class BuildTests
{
    [Fact]
    public void The_build_under_test_is_that_of_windows_powershell()
    {
        Assert.Equal(".NETStandard,Version=v2.0",
            typeof(ProxmoxHypervisor).Assembly.GetCustomAttribute<TargetFrameworkAttribute>()!.FrameworkName);
        Assert.Equal(".NETStandard,Version=v2.0",
            typeof(NataliaException).Assembly.GetCustomAttribute<TargetFrameworkAttribute>()!.FrameworkName);
    }
}
