using Natalia.Backup.Cmdlets.Tests.Fakes;
using Natalia.Backup.Engine;
using Natalia.Backup.Operations.Connections;

namespace Natalia.Backup.Cmdlets.Tests.Sessions;

public sealed class SessionRegistryTests : IDisposable
{
    private readonly EngineSession _session = new();
    private readonly FakeHypervisor _fake = new();

    public void Dispose() => _session.Dispose();

    [Fact]
    public void A_runspace_does_not_see_the_sessions_of_another()
    {
        using var other = new EngineSession();
        Connect("one");

        Assert.Equal(["one"], _session.Run("Get-NataliaHypervisor").Text);
        Assert.Empty(other.Run("Get-NataliaHypervisor").Output);
    }

    [Fact]
    public void Closing_the_runspace_closes_its_connections()
    {
        using (var other = new EngineSession()) other.Run("param($f) Add-Fake $f -Name one", _fake);

        Assert.True(_fake.IsDisposed);
    }

    [Fact]
    public void Disconnecting_closes_the_connection()
    {
        Connect("one");
        _session.Run("Get-NataliaHypervisor | Disconnect-NataliaHypervisor");

        Assert.True(_fake.IsDisposed);
        Assert.Empty(_session.Run("Get-NataliaHypervisor").Output);
    }

    [Theory]
    [InlineData("Disconnect-NataliaHypervisor one -WhatIf")]
    [InlineData("Disconnect-NataliaHypervisor x*")]
    public void What_is_not_meant_stays_connected(string script)
    {
        Connect("one");
        EngineSession.Result result = _session.Run(script);

        Assert.Empty(result.Errors);
        Assert.False(_fake.IsDisposed);
    }

    [Fact]
    public void A_name_is_given_once_whatever_its_case()
    {
        Connect("one");
        EngineSession.Result result = _session.Run("param($f) Add-Fake $f -Name ONE", new FakeHypervisor());

        Assert.Equal(["NameInUse"], result.ErrorIds);
    }

    [Fact]
    public void A_session_is_found_by_its_object_its_name_and_its_copy_from_a_job()
    {
        Connect("one");
        Connect("two");
        const string copy =
            "[System.Management.Automation.PSSerializer]::Deserialize([System.Management.Automation.PSSerializer]::Serialize((Get-NataliaHypervisor two)))";

        Assert.Equal(["natalia-test"],
            _session.Run("Get-NataliaAppliance * -Hypervisor (Get-NataliaHypervisor two)").Text);
        Assert.Equal("two", _session.Run("(Get-NataliaAppliance * -Hypervisor TWO).Hypervisor").Text[0]);
        Assert.Equal("two", _session.Run($"(Get-NataliaAppliance * -Hypervisor ({copy})).Hypervisor").Text[0]);
    }

    [Theory]
    [InlineData("Get-NataliaHypervisor nix", "HypervisorNotConnected")]
    [InlineData("Get-NataliaAppliance -Name *", "HypervisorNotConnected")]
    [InlineData("Get-NataliaAppliance", "RepositoryNotConnected")]
    [InlineData("Get-NataliaRestorePoint", "RepositoryNotConnected")]
    [InlineData("Test-NataliaRepository", "RepositoryNotConnected")]
    [InlineData("Test-NataliaRepository nix", "RepositoryNotConnected")]
    [InlineData("Disconnect-NataliaRepository nix", "RepositoryNotConnected")]
    [InlineData("Test-NataliaRestorePoint abcd1234", "RepositoryNotConnected")]
    [InlineData("Remove-NataliaRestorePoint abcd1234 -Confirm:$false", "RepositoryNotConnected")]
    [InlineData("Export-NataliaDisk -RestorePointId abcd1234 -Destination x.raw", "RepositoryNotConnected")]
    public void What_is_not_connected_is_an_error_that_says_so(string script, string errorId)
    {
        EngineSession.Result result = _session.Run(script);

        Assert.Equal([errorId], result.ErrorIds);
        Assert.NotNull(result.Errors[0].ErrorDetails.RecommendedAction);
    }

    [Fact]
    public void Names_without_wildcards_must_be_there_and_others_need_not()
    {
        Connect("one");
        EngineSession.Result result = _session.Run("Get-NataliaAppliance -Name no-such, nothing*");

        Assert.Equal(["ApplianceNotFound"], result.ErrorIds);
        Assert.Empty(result.Output);
    }

    [Fact]
    public void Completion_shows_what_is_known_and_opens_nothing()
    {
        Connect("with space");
        Assert.Equal(["'with space'"], Complete("Get-NataliaAppliance -Hypervisor w"));
        Assert.DoesNotContain("natalia-test", Complete("Get-NataliaAppliance -Name nat"));
        _session.Run("Get-NataliaAppliance *");
        Assert.Equal(["natalia-test"], Complete("Get-NataliaAppliance -Name nat"));
        Assert.Equal(["natalia-test"], Complete("Invoke-NataliaBackup -Appliance 'NAT"));
    }

    [Fact]
    public void One_writer_needs_one_connection()
    {
        var table = new SessionTable<HypervisorConnection>("hypervisor", "NataliaHypervisor",
            ErrorIds.HypervisorNotConnected, ErrorIds.HypervisorAmbiguous);
        Assert.Equal(ErrorIds.HypervisorNotConnected,
            Assert.Throws<NataliaException>(() => table.ForWriting(null)).ErrorId);
        table.Add(_fake.Connect("one"));
        Assert.Equal("one", table.ForWriting(null).Name);
        table.Add(_fake.Connect("two"));

        NataliaException error = Assert.Throws<NataliaException>(() => table.ForWriting(null));
        Assert.Equal(ErrorIds.HypervisorAmbiguous, error.ErrorId);
        Assert.Contains("'one', 'two'", error.Message, StringComparison.Ordinal);
        Assert.Equal("two", table.ForWriting("Two").Name);
        Assert.Equal(2, table.ForReading(null).Count);
        Assert.Equal("one-2", table.GetFreeName("one"));
    }

    private void Connect(string name) =>
        Assert.Empty(_session.Run("param($f, $n) Add-Fake $f -Name $n", _fake, name).Errors);

    private List<string> Complete(string line)
    {
        using System.Management.Automation.PowerShell shell = _session.Create("param($line) "
            + "[System.Management.Automation.CommandCompletion]::CompleteInput($line, $line.Length, "
            + "$null).CompletionMatches | ForEach-Object CompletionText",
            line);
        return [.. shell.Invoke().Select(o => o.ToString())];
    }
}
