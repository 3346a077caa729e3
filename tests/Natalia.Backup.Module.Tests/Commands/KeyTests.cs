using System.Text.RegularExpressions;

namespace Natalia.Backup.Module.Tests.Commands;

public sealed class KeyTests : IDisposable
{
    private readonly Scenario _scenario = new();

    public KeyTests() =>
        _scenario.Run("$null = New-NataliaRepository $args[0] -Password $args[1]", _scenario.Full("safe"),
            Scenario.Password("first one"))
            .ThrowIfFailed();

    public void Dispose() => _scenario.Dispose();

    [Fact]
    public void A_password_is_changed_in_a_pipeline()
    {
        ScriptResult result = _scenario.Run("""
            $old = Get-NataliaRepositoryKey
            (Add-NataliaRepositoryKey -NewPassword $args[0] -Name 'in the safe').Name
            $old | Remove-NataliaRepositoryKey -Confirm:$false
            (Get-NataliaRepositoryKey).Name
            """, Scenario.Password("second one")).ThrowIfFailed();
        Assert.Equal(["in the safe", "in the safe"], result.Text);
        string text = Regex.Replace(_scenario.Session.Render("Get-NataliaRepositoryKey"), "\x1b\\[[0-9;]*m", "");
        Assert.Matches(@"[0-9a-f]{8} in the safe +\d{4}-\d\d-\d\d \d\d:\d\d:\d\d yes +yes +safe", text);
        Assert.All(text.Split('\n'), line => Assert.InRange(line.TrimEnd('\r').Length, 0, 120));
        Assert.Equal(["LastKeySlot"], Errors("Remove-NataliaRepositoryKey -Name 'IN THE SAFE' -Confirm:$false"));

        _scenario.Run("Disconnect-NataliaRepository safe").ThrowIfFailed();
        Assert.Equal(["WrongPassword"],
            Errors("Connect-NataliaRepository $args[0] -Password $args[1]", _scenario.Full("safe"),
                Scenario.Password("first one")));
        _scenario.Run("Connect-NataliaRepository $args[0] -Password $args[1]", _scenario.Full("safe"),
            Scenario.Password("second one"))
            .ThrowIfFailed();
    }

    [Fact]
    public void WhatIf_adds_and_removes_nothing_and_wrong_names_are_errors_of_their_own()
    {
        IReadOnlyList<string> before = _scenario.Everything();
        Assert.Empty(_scenario.Run("Add-NataliaRepositoryKey -NewPassword $args[0] -WhatIf; Get-NataliaRepositoryKey "
            + "| Remove-NataliaRepositoryKey -WhatIf",
            Scenario.Password("x"))
            .ThrowIfFailed().Output);
        Assert.Equal(2, _scenario.Session.Host.Text.Split("What if:").Length - 1);
        Assert.Equal(before, _scenario.Everything());

        Assert.Equal(["KeySlotNotFound"], Errors("Remove-NataliaRepositoryKey -Name nix -Confirm:$false"));
        Assert.Equal(["KeySlotNotFound"], Errors("Remove-NataliaRepositoryKey 0123456789abcdef -Confirm:$false"));
        Assert.Equal(["PasswordRequired"],
            Errors("Add-NataliaRepositoryKey -NewPassword $args[0]", Scenario.Password("")));
        Assert.Equal(["ParameterArgumentTransformationError"], Errors("Add-NataliaRepositoryKey -NewPassword secret"));
        Assert.Equal(["ParameterArgumentValidationError"],
            Errors("Add-NataliaRepositoryKey -NewPassword $args[0] -Name \"a`nb\"", Scenario.Password("x")));
    }

    [Fact]
    public void An_unencrypted_repository_has_no_passwords()
    {
        _scenario.WithRepository("open");

        Assert.Single(_scenario.Run("Get-NataliaRepositoryKey").ThrowIfFailed().Output);
        Assert.Equal(["RepositoryNotEncrypted"], Errors("Get-NataliaRepositoryKey -Repository open"));
        Assert.Equal(["RepositoryNotEncrypted"],
            Errors("Add-NataliaRepositoryKey -Repository open -NewPassword $args[0]", Scenario.Password("x")));
        Assert.Equal(["RepositoryAmbiguous"],
            Errors("Add-NataliaRepositoryKey -NewPassword $args[0]", Scenario.Password("x")));
    }

    [Fact]
    public void Connecting_warns_of_a_key_slot_that_cannot_be_used()
    {
        _scenario.Run("Disconnect-NataliaRepository safe").ThrowIfFailed();
        string id = new('a', 32);
        File.WriteAllText(Path.Combine(_scenario.Full("safe"), "keys", id), "somebody else's");

        ScriptResult result = _scenario.Run("$null = Connect-NataliaRepository $args[0] -Password $args[1]",
            _scenario.Full("safe"), Scenario.Password("first one"))
            .ThrowIfFailed();
        Assert.Contains(id, Assert.Single(result.Warnings));
        Assert.Equal(["False"],
            _scenario.Run("[string](Get-NataliaRepositoryKey | Where-Object KeyId -eq $args[0]).IsWhole", id)
                .ThrowIfFailed().Text);
        _scenario.Run("Remove-NataliaRepositoryKey $args[0] -Confirm:$false", id).ThrowIfFailed();
        Assert.Equal(["True"], _scenario.Run("[string](Test-NataliaRepository -Quiet)").ThrowIfFailed().Text);
    }

    private IReadOnlyList<string> Errors(string script, params object?[] arguments) =>
        [.. _scenario.Run(script, arguments).ErrorIds.Select(i => i.Split(',')[0])];
}
