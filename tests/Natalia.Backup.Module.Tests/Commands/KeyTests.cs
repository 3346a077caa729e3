using System.Text.RegularExpressions;

namespace Natalia.Backup.Module.Tests.Commands;

public sealed class KeyTests : IDisposable
{
    private readonly FolderFixture _fixture = new();

    public KeyTests() =>
        _fixture.Run("$null = New-NataliaRepository $args[0] -Password $args[1]", _fixture.Full("safe"),
            FolderFixture.Password("first one"))
            .ThrowIfFailed();

    public void Dispose() => _fixture.Dispose();

    [Fact]
    public void A_password_is_changed_in_a_pipeline()
    {
        ScriptResult result = _fixture.Run("""
            $old = Get-NataliaRepositoryKey
            (Add-NataliaRepositoryKey -NewPassword $args[0] -Name 'in the safe').Name
            $old | Remove-NataliaRepositoryKey -Confirm:$false
            (Get-NataliaRepositoryKey).Name
            """, FolderFixture.Password("second one")).ThrowIfFailed();
        Assert.Equal(["in the safe", "in the safe"], result.Text);
        string text = Regex.Replace(_fixture.Session.Render("Get-NataliaRepositoryKey"), "\x1b\\[[0-9;]*m", "");
        Assert.Matches(@"[0-9a-f]{8} \d{4}-\d\d-\d\d \d\d:\d\d safe +in the safe +whole, opened by this session", text);
        Assert.All(text.Split('\n'), line => Assert.InRange(line.TrimEnd('\r').Length, 0, 120));
        Assert.Equal(["LastKeySlot"], Errors("Remove-NataliaRepositoryKey -Name 'IN THE SAFE' -Confirm:$false"));

        _fixture.Run("Disconnect-NataliaRepository safe").ThrowIfFailed();
        Assert.Equal(["WrongPassword"],
            Errors("Connect-NataliaRepository $args[0] -Password $args[1]", _fixture.Full("safe"),
                FolderFixture.Password("first one")));
        _fixture.Run("Connect-NataliaRepository $args[0] -Password $args[1]", _fixture.Full("safe"),
            FolderFixture.Password("second one"))
            .ThrowIfFailed();
    }

    [Fact]
    public void WhatIf_adds_and_removes_nothing_and_wrong_names_are_errors_of_their_own()
    {
        IReadOnlyList<string> before = _fixture.Everything();
        Assert.Empty(_fixture.Run("Add-NataliaRepositoryKey -NewPassword $args[0] -WhatIf; Get-NataliaRepositoryKey "
            + "| Remove-NataliaRepositoryKey -WhatIf",
            FolderFixture.Password("x"))
            .ThrowIfFailed().Output);
        Assert.Equal(2, _fixture.Session.Host.Text.Split("What if:").Length - 1);
        Assert.Equal(before, _fixture.Everything());

        Assert.Equal(["KeySlotNotFound"], Errors("Remove-NataliaRepositoryKey -Name nix -Confirm:$false"));
        Assert.Equal(["KeySlotNotFound"], Errors("Remove-NataliaRepositoryKey 0123456789abcdef -Confirm:$false"));
        Assert.Equal(["PasswordRequired"],
            Errors("Add-NataliaRepositoryKey -NewPassword $args[0]", FolderFixture.Password("")));
        Assert.Equal(["ParameterArgumentTransformationError"], Errors("Add-NataliaRepositoryKey -NewPassword secret"));
        Assert.Equal(["ParameterArgumentValidationError"],
            Errors("Add-NataliaRepositoryKey -NewPassword $args[0] -Name \"a`nb\"", FolderFixture.Password("x")));
    }

    [Fact]
    public void An_unencrypted_repository_has_no_passwords()
    {
        _fixture.WithRepository("open");

        Assert.Single(_fixture.Run("Get-NataliaRepositoryKey").ThrowIfFailed().Output);
        Assert.Equal(["RepositoryNotEncrypted"], Errors("Get-NataliaRepositoryKey -Repository open"));
        Assert.Equal(["RepositoryNotEncrypted"],
            Errors("Add-NataliaRepositoryKey -Repository open -NewPassword $args[0]", FolderFixture.Password("x")));
        Assert.Equal(["RepositoryAmbiguous"],
            Errors("Add-NataliaRepositoryKey -NewPassword $args[0]", FolderFixture.Password("x")));
    }

    [Fact]
    public void Connecting_warns_of_a_key_slot_that_cannot_be_used()
    {
        _fixture.Run("Disconnect-NataliaRepository safe").ThrowIfFailed();
        string id = new('a', 32);
        File.WriteAllText(Path.Combine(_fixture.Full("safe"), "keys", id), "somebody else's");

        ScriptResult result = _fixture.Run("$null = Connect-NataliaRepository $args[0] -Password $args[1]",
            _fixture.Full("safe"), FolderFixture.Password("first one"))
            .ThrowIfFailed();
        Assert.Contains(id, Assert.Single(result.Warnings));
        Assert.Equal(["False"],
            _fixture.Run("[string](Get-NataliaRepositoryKey | Where-Object KeyId -eq $args[0]).IsWhole", id)
                .ThrowIfFailed().Text);
        _fixture.Run("Remove-NataliaRepositoryKey $args[0] -Confirm:$false", id).ThrowIfFailed();
        Assert.Equal(["True"], _fixture.Run("[string](Test-NataliaRepository -Quiet)").ThrowIfFailed().Text);
    }

    private IReadOnlyList<string> Errors(string script, params object?[] arguments) =>
        [.. _fixture.Run(script, arguments).ErrorIds.Select(i => i.Split(',')[0])];
}
