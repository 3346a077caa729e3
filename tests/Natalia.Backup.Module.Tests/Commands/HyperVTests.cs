namespace Natalia.Backup.Module.Tests.Commands;

/// <summary>Windows alone can ask a Hyper-V host: what is said elsewhere, and that the module loads.</summary>
public sealed class HyperVTests(ModuleFixture module) : IClassFixture<ModuleFixture>
{
    [Theory]
    [InlineData("Connect-NataliaHypervisor -HyperV hv1 -Transport Dcom -UseSsl", "InputRefused,")]
    [InlineData("Connect-NataliaHypervisor -HyperV hv1 -Transport Dcom -Port 1", "InputRefused,")]
    [InlineData("Connect-NataliaHypervisor -HyperV hv1 -Port 0", "ParameterArgumentValidationError,")]
    [InlineData("Connect-NataliaHypervisor -HyperV hv1 -OneTimeCode 1", "AmbiguousParameterSet,")]
    public void What_does_not_go_together_is_refused(string command, string id) =>
        Assert.StartsWith(id, module.Run(command + " -ErrorAction Continue").ErrorIds.Single(),
            StringComparison.Ordinal);

    [Fact]
    public void Elsewhere_than_on_windows_it_is_told_where_it_works()
    {
        if (OperatingSystem.IsWindows()) return;
        ScriptResult result = module.Run("Connect-NataliaHypervisor -HyperV hv1 -ErrorAction Continue");
        Assert.StartsWith("CapabilityMissing,", result.ErrorIds.Single(), StringComparison.Ordinal);
    }
}
