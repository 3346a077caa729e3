using System.Security.Cryptography;
using System.Text;
using Natalia.Backup.Serving.Iscsi;

namespace Natalia.Backup.Serving.Tests.Iscsi;

public sealed class ChapAccountTests
{
    private const byte Id = 9;

    private static readonly byte[] s_challenge = ChapAccount.NewChallenge();

    private readonly ChapAccount _account = new("esx", "correcthorse1"u8.ToArray());

    /// <summary>RFC 1994 §4.1: the hash of the id, the secret and the challenge.</summary>
    private static byte[] Answer(string secret) =>
        SHA256.HashData([Id, .. Encoding.ASCII.GetBytes(secret), .. s_challenge]);

    private bool Proves(string response, string name = "esx") =>
        _account.Proves(name, response, Id, s_challenge, ChapAccount.Choose("5,7")!.Value);

    [Fact]
    public void An_answer_proves_the_secret_in_whichever_way_it_is_written()
    {
        byte[] answer = Answer("correcthorse1");
        Assert.True(Proves("0x" + Convert.ToHexStringLower(answer)));
        Assert.True(Proves("0X" + Convert.ToHexString(answer)));
        Assert.True(Proves("0b" + Convert.ToBase64String(answer)));
    }

    [Fact]
    public void Another_secret_name_or_form_proves_nothing()
    {
        byte[] answer = Answer("correcthorse1");
        string digits = Convert.ToHexStringLower(answer);
        Assert.False(Proves("0x" + Convert.ToHexStringLower(Answer("correcthorse2"))));
        Assert.False(Proves("0x" + digits, "esy"));
        foreach (string broken in new[]
        {
            "", "0x", digits, $"0x{digits[2..]}", $"0x{digits}00", $"0x{digits[..^1]}g", "0b????", "0b",
            "0x" + new string('0', 100_000) + digits,
        })
            Assert.False(Proves(broken), broken[..Math.Min(broken.Length, 40)]);
    }

    [Theory]
    [InlineData("5", 5)]
    [InlineData("7,5", 7)]
    [InlineData("5,7", 7)]
    [InlineData("6", null)]
    [InlineData("", null)]
    public void The_better_hash_is_chosen_and_an_unknown_one_is_not(string offered, int? chosen) =>
        Assert.Equal(chosen, ChapAccount.Choose(offered));
}
