BeforeAll { . (Join-Path $PSScriptRoot 'common.ps1') }

Describe 'The module, as a user meets it' {
    It 'has a manifest that PowerShell accepts, with everything in it that it names' {
        $data = Test-ModuleManifest $manifest
        $data.Name | Should -Be 'Natalia.Backup'
        $data.CompatiblePSEditions | Should -Be 'Desktop', 'Core'
        $data.PowerShellVersion | Should -Be '5.1'
    }

    It 'has a manifest that tools can read without running it' {
        $data = Import-PowerShellDataFile $manifest
        $data.CmdletsToExport | Should -Not -Contain '*'
        $data.FunctionsToExport | Should -HaveCount 0
        $data.AliasesToExport | Should -HaveCount 0
    }

    It 'exports what its manifest names' {
        $named = (Import-PowerShellDataFile $manifest).CmdletsToExport | Sort-Object
        (Get-Command -Module Natalia.Backup).Name | Sort-Object | Should -Be $named
    }

    It 'is imported by a new PowerShell with little work' {
        # Processor time, so that a busy machine does not fail the test; without load it is about the time that passes.
        $code = '$me = [Diagnostics.Process]::GetCurrentProcess(); $before = $me.TotalProcessorTime; Import-Module $args[0]; $me.Refresh(); ($me.TotalProcessorTime - $before).TotalMilliseconds'
        $milliseconds = [double](& $shell -NoProfile -NonInteractive -Command "& { $code } '$manifest'")
        $milliseconds | Should -BeLessThan 1500
    }

    It 'keeps every cmdlet when it is imported again with -Force' {
        $before = (Get-Command -Module Natalia.Backup).Name
        Import-Module $manifest -Force
        (Get-Command -Module Natalia.Backup).Name | Should -Be $before
    }

    It 'works in several runspaces at once' -Skip:($PSVersionTable.PSEdition -ne 'Core') {
        $expected = (Get-Command -Module Natalia.Backup).Count
        1..4 | ForEach-Object -Parallel { Import-Module $using:manifest; (Get-Command -Module Natalia.Backup).Count } | Should -Be ($expected, $expected, $expected, $expected)
    }

    It 'does not let its libraries into the session' -Skip:($PSVersionTable.PSEdition -ne 'Core') {
        [Runtime.Loader.AssemblyLoadContext]::Default.Assemblies | ForEach-Object { $_.GetName().Name } |
            Where-Object { $_ -in 'Natalia.Backup', 'Natalia.Backup.Engine', 'ZstdSharp', 'BouncyCastle.Cryptography' } | Should -BeNullOrEmpty
    }

    It 'has paths that are short enough for a runbook worker' {
        Get-ChildItem $moduleRoot -Recurse -File | Where-Object { $_.FullName.Substring($moduleRoot.Length).Length -ge 140 } | Should -BeNullOrEmpty
    }
}

Describe 'Help' {
    It 'is found for <_>' -ForEach (Import-PowerShellDataFile ([IO.Path]::Combine($PSScriptRoot, '..', '..', 'Natalia.Backup.psd1'))).CmdletsToExport {
        $help = Get-Help $_ -Full
        $help.Synopsis | Should -Not -BeNullOrEmpty
        $help.Synopsis | Should -Not -Match "^\s*$_ "
        $help.Description.Text | Should -Not -BeNullOrEmpty
        @($help.Examples.Example).Count | Should -BeGreaterOrEqual 2
    }

    It 'shows the topic <_>' -ForEach 'about_Natalia.Backup', 'about_NataliaErrors', 'about_NataliaAutomation' {
        Get-Help $_ | Out-String | Should -Match 'SHORT DESCRIPTION'
    }
}

Describe 'Tab completion' {
    It 'offers the cmdlets' {
        (TabExpansion2 'Get-Natalia' 11).CompletionMatches.CompletionText | Should -Contain 'Get-NataliaRestorePoint'
    }

    It 'offers the words of -Type' {
        $text = 'Invoke-NataliaBackup -Type '
        (TabExpansion2 $text $text.Length).CompletionMatches.CompletionText | Should -Be 'Auto', 'Full', 'Incremental'
    }

    It 'is quiet where nothing is connected' {
        $text = 'Get-NataliaRestorePoint -Repository '
        { TabExpansion2 $text $text.Length } | Should -Not -Throw
    }
}

Describe 'A first mistake' {
    It 'is told in words that say what to do' {
        Get-NataliaRestorePoint -ErrorAction SilentlyContinue -ErrorVariable failed
        $failed[0].FullyQualifiedErrorId | Should -BeLike 'RepositoryNotConnected,*'
        $failed[0].ErrorDetails.RecommendedAction | Should -Match 'Connect-NataliaRepository'
    }
}
